//! The files that a job was given, brought to its folder before its program starts.

use super::script::{Given, Run};
use crate::base::text::bytes;
use crate::base::time::human;
use crate::base::upload::Upload;
use crate::config::{FileRule, MAX_INCOMING_FILE};
use crate::delivery::{Fetcher, NotFetched};
use crate::jobs::action::{ActionCx, Stopped};
use crate::jobs::files::private_folder;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::time::{Duration, Instant};

/// Pauses while Telegram cannot be reached, longest last, which repeats.
const PAUSES: [Duration; 5] = [
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(5),
    Duration::from_secs(15),
    Duration::from_secs(30),
];
/// For so long it is tried; a worker is taken up meanwhile.
const TRIED_FOR: Duration = Duration::from_secs(15 * 60);
/// So often a file that Telegram does not have is asked for.
const MISSING_TRIES: u32 = 3;
/// Of a file, so much is looked at to see what it is.
const HEAD_BYTES: u64 = 8192;

/// Stands in an argv for the folder of files, which has its path only when the job has its number. Nobody can type it,
/// because control characters are refused.
const FOLDER: char = '\u{1a}';

/// A file as an argument: its place in the folder that is yet to be.
pub(super) fn placeholder(stored: &str) -> String {
    format!("{FOLDER}/{stored}")
}

/// An argument with the folder's path for its placeholder.
pub(super) fn in_folder(argument: &str, folder: &Path) -> String {
    argument.replace(FOLDER, &folder.display().to_string())
}

/// An argument for people: where its file will be, by the variable that the script has for that.
#[must_use]
pub fn shown(argument: &str) -> String {
    argument.replace(FOLDER, "$OPSGRAM_IN")
}

/// Checks what Telegram says of a file against the rule of its argument, before anything is fetched.
///
/// # Errors
/// What is wrong with it, as a sentence.
pub fn check(rule: &FileRule, upload: &Upload) -> Result<(), String> {
    check_size(rule, upload.size)?;
    match rule.accepts(Some(&upload.name), upload.mime.as_deref()) {
        true => Ok(()),
        false => {
            let accept: Vec<_> = rule.accept.iter().map(|one| one.words()).collect();
            Err(format!(
                "Only {} are taken; {} is none of these.",
                accept.join(", "),
                upload.name
            ))
        }
    }
}

fn check_size(rule: &FileRule, size: Option<u64>) -> Result<(), String> {
    match size {
        Some(size) if size > MAX_INCOMING_FILE => Err(format!(
            "The file has {}, and Telegram hands bots files of up to {}. Bring it to the server in another way.",
            bytes(size),
            bytes(MAX_INCOMING_FILE)
        )),
        Some(size) if size > rule.max_size => Err(format!(
            "The file has {}, and at most {} are taken.",
            bytes(size),
            bytes(rule.max_size)
        )),
        Some(_) | None => Ok(()),
    }
}

/// Fetches every file of a run, by the rule of its argument; the inner error is a sentence for the card.
pub(super) async fn fetch_all(
    fetcher: &Fetcher,
    rule: impl Fn(&str) -> Option<FileRule>,
    run: &Run,
    cx: &ActionCx,
) -> Result<Result<(), String>, Stopped> {
    if run.files.is_empty() {
        return Ok(Ok(()));
    }
    let folder = cx.files.incoming();
    if let Err(error) = private_folder(&folder) {
        return Ok(Err(format!(
            "No folder for its files can be made: {error}."
        )));
    }
    for given in &run.files {
        let Some(rule) = rule(&given.argument) else {
            return Ok(Err(format!("{} is no longer a file.", given.argument)));
        };
        let fetched = tokio::select! {
            fetched = fetch(fetcher, &rule, given, &folder, cx) => fetched,
            () = cx.stop.cancelled() => return Err(Stopped),
        };
        if let Err(why) = fetched {
            return Ok(Err(why));
        }
    }
    cx.output.doing(None);
    Ok(Ok(()))
}

/// Fetches one file, and tries again while that may help.
async fn fetch(
    fetcher: &Fetcher,
    rule: &FileRule,
    given: &Given,
    folder: &Path,
    cx: &ActionCx,
) -> Result<(), String> {
    let Upload { name, file_id, .. } = &given.upload;
    let to = folder.join(&given.stored);
    let begun = Instant::now();
    let mut missing = 0;
    cx.output
        .doing(Some(format!("fetching {}", given.upload.words())));
    for attempt in 0_usize.. {
        let pause = PAUSES[attempt.min(PAUSES.len() - 1)];
        let (why, pause) = match fetcher.fetch(file_id, &to, rule.max_size).await {
            Ok(size) => {
                tracing::info!(name, size, "fetched a file");
                return check_content(rule, &given.upload, &to);
            }
            Err(NotFetched::TooLarge) => {
                return Err(format!(
                    "{name} is too large: at most {} are taken.",
                    bytes(rule.max_size)
                ));
            }
            Err(NotFetched::Disk(error)) => {
                return Err(format!("{name} cannot be written to the disk: {error}."));
            }
            Err(NotFetched::Missing) => {
                missing += 1;
                if missing >= MISSING_TRIES {
                    return Err(format!(
                        "Telegram no longer has the file {name}: send it again."
                    ));
                }
                (NotFetched::Missing.to_string(), pause)
            }
            Err(NotFetched::Wait(wait)) => ("Telegram says to wait".to_owned(), wait),
            Err(NotFetched::Again(why)) => (why, pause),
        };
        if begun.elapsed() + pause > TRIED_FOR {
            return Err(format!(
                "{name} could not be fetched within {}: {why}. Run it again when Telegram can be reached.",
                human(TRIED_FOR)
            ));
        }
        tracing::warn!(name, why, ?pause, "a file did not come; trying again");
        cx.output
            .doing(Some(format!("fetching {}: {why}", given.upload.words())));
        tokio::time::sleep(pause).await;
    }
    Ok(())
}

/// Refuses a file that is not what its name or type says, where the rule asks for kinds and the kind can be seen.
fn check_content(rule: &FileRule, upload: &Upload, path: &Path) -> Result<(), String> {
    if rule.accept.is_empty() {
        return Ok(());
    }
    let name = &upload.name;
    let head = head(path).map_err(|error| format!("{name} cannot be read: {error}."))?;
    match claimed(upload) {
        Some((kind, is)) if !is(&head) => Err(format!(
            "{name} is no {kind}, whatever its name says. Send the right file."
        )),
        Some(_) | None => Ok(()),
    }
}

fn head(path: &Path) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    File::open(path)?.take(HEAD_BYTES).read_to_end(&mut head)?;
    Ok(head)
}

type Matcher = fn(&[u8]) -> bool;

/// What a file says that it is, as far as that can be seen in its bytes.
fn claimed(upload: &Upload) -> Option<(&'static str, Matcher)> {
    let ending = upload
        .name
        .rsplit_once('.')
        .map(|(_, ending)| ending.to_lowercase());
    let by_name = ending.as_deref().and_then(|ending| by_word(ending));
    by_name.or_else(|| {
        let mime = upload.mime.as_deref()?.to_lowercase();
        by_word(mime.split_once('/')?.1)
    })
}

/// By an ending or the second half of a type: they are the same for these.
fn by_word(word: &str) -> Option<(&'static str, Matcher)> {
    Some(match word {
        "png" => ("PNG", infer::image::is_png as Matcher),
        "jpg" | "jpeg" => ("JPEG", infer::image::is_jpeg),
        "gif" => ("GIF", infer::image::is_gif),
        "webp" => ("WebP", infer::image::is_webp),
        "pdf" => ("PDF", infer::archive::is_pdf),
        "zip" => ("ZIP archive", infer::archive::is_zip),
        "gz" | "tgz" | "gzip" => ("gzip archive", infer::archive::is_gz),
        "bz2" => ("bzip2 archive", infer::archive::is_bz2),
        "xz" => ("xz archive", infer::archive::is_xz),
        "zst" => ("zstd archive", infer::archive::is_zst),
        "7z" => ("7z archive", infer::archive::is_7z),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Accept;

    fn upload(name: &str, mime: Option<&str>, size: Option<u64>) -> Upload {
        Upload {
            file_id: "id".to_owned(),
            name: name.to_owned(),
            size,
            mime: mime.map(str::to_owned),
        }
    }

    fn rule(accept: &[&str]) -> FileRule {
        FileRule {
            max_size: 1000,
            accept: accept
                .iter()
                .map(|end| Accept::Extension((*end).to_owned()))
                .collect(),
        }
    }

    #[test]
    fn size_and_kind_are_judged_before_anything_is_fetched() {
        let rule = rule(&[".sql"]);
        for (name, size, good) in [
            ("b.sql", Some(1000), true),
            ("b.sql", None, true),
            ("b.sql", Some(1001), false),
            ("b.sql", Some(MAX_INCOMING_FILE + 1), false),
            ("b.txt", Some(1), false),
        ] {
            assert_eq!(
                check(&rule, &upload(name, None, size)).is_ok(),
                good,
                "{name} {size:?}"
            );
        }
    }

    #[test]
    fn a_file_that_is_not_what_it_says_is_refused_where_kinds_are_asked_for() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        let judged = |rule: &FileRule, name: &str, mime: Option<&str>, bytes: &[u8]| {
            std::fs::write(&path, bytes).unwrap();
            check_content(rule, &upload(name, mime, None), &path).is_ok()
        };
        let any = rule(&[]);
        let some = rule(&[".png", ".sql"]);
        assert!(judged(&any, "x.png", None, b"no picture"));
        assert!(!judged(&some, "x.png", None, b"no picture"));
        assert!(!judged(&some, "x.PNG", None, b""));
        assert!(judged(&some, "x.png", None, b"\x89PNG\r\n\x1a\n"));
        assert!(judged(&some, "x.sql", None, b"select 1"));
        assert!(!judged(&some, "photo", Some("image/jpeg"), b"GIF89a"));
        assert!(judged(&some, "photo", Some("text/plain"), b"GIF89a"));
    }

    #[test]
    fn the_folder_is_put_where_the_file_stands_and_nowhere_else() {
        let folder = Path::new("/work/7/in");
        let argument = format!("--from={}", placeholder("b c.sql"));
        assert_eq!(in_folder(&argument, folder), "--from=/work/7/in/b c.sql");
        assert_eq!(shown(&argument), "--from=$OPSGRAM_IN/b c.sql");
        assert_eq!(in_folder("$OPSGRAM_IN/x", folder), "$OPSGRAM_IN/x");
    }
}
