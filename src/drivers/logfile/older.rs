//! What was moved away of a log since a place in it: the file of the place, and those between that and the log of now.

use super::{Mark, identity, modified};
use std::cmp::Reverse;
use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::fs::DirEntryExt;
use std::path::{Path, PathBuf};

/// A number from here on is a date.
const DATES: u32 = 10_000;

/// How a file is called that was moved away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Naming {
    /// `app.log.1`, `app.log-20260101`
    Behind,
    /// `app.1.log`, `app-2026-01-01.log`
    Within,
}

/// A file in the folder of the log that is not the log.
struct Older {
    path: PathBuf,
    identity: (u64, u64),
    modified: i64,
    /// `None` when it has a name of its own.
    naming: Option<Naming>,
    /// The higher, the older; `None` for dates.
    number: Option<u32>,
}

/// The files that are to be read before the log of now, oldest first, and from where on.
pub(super) fn unread(path: &Path, mark: &Mark, now: &Metadata) -> io::Result<Vec<(File, u64)>> {
    let all = others(path, mark, now)?;
    let mut unread = Vec::new();
    let found = find(&all, mark)?;
    let (at, naming) = match found {
        Some((at, file)) => {
            unread.push((file, mark.offset));
            (Some(at), all[at].naming)
        }
        // It was emptied, and nobody kept what it held.
        None if identity(now) == mark.identity() => return Ok(unread),
        None => (None, Some(Naming::Behind)),
    };
    for (number, older) in all.iter().enumerate() {
        let is_newer = at.map_or(older.modified > mark.modified, |at| number > at);
        if !is_newer || older.naming.is_none() || older.naming != naming {
            continue;
        }
        let Some(mut file) = allowed(File::open(&older.path))? else {
            continue;
        };
        // A copy of what was read.
        if mark.offset == 0 || !mark.fits(&mut file)? {
            unread.push((file, 0));
        }
    }
    Ok(unread)
}

/// The file of the place, or else a copy of it.
fn find(all: &[Older], mark: &Mark) -> io::Result<Option<(usize, File)>> {
    let is_it = |older: &Older| older.identity == mark.identity();
    let is_copy = |older: &Older| {
        mark.offset > 0 && older.naming.is_some() && older.modified >= mark.modified
    };
    let own = all.iter().enumerate().filter(|(_, older)| is_it(older));
    let copies = all.iter().enumerate().filter(|(_, older)| is_copy(older));
    for (at, older) in own.chain(copies) {
        if let Some(mut file) = allowed(File::open(&older.path))?
            && mark.fits(&mut file)?
        {
            return Ok(Some((at, file)));
        }
    }
    Ok(None)
}

/// What may not be read is left out: waiting for it would keep the log of now from being read.
fn allowed<T>(opened: io::Result<T>) -> io::Result<Option<T>> {
    match opened {
        Ok(opened) => Ok(Some(opened)),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whatever may have been the log once, oldest first.
fn others(path: &Path, mark: &Mark, now: &Metadata) -> io::Result<Vec<Older>> {
    let log = path.file_name().and_then(|name| name.to_str());
    let (Some(folder), Some(log)) = (path.parent(), log) else {
        return Ok(Vec::new());
    };
    let mut all = Vec::new();
    for entry in allowed(fs::read_dir(folder))?.into_iter().flatten() {
        let entry = entry?;
        let name = entry.file_name();
        let named = name.to_str().and_then(|name| named(log, name));
        if named.is_none() && entry.ino() != mark.inode {
            continue;
        }
        let meta = entry.metadata()?;
        if !meta.is_file() || meta.len() == 0 || identity(&meta) == identity(now) {
            continue;
        }
        let number = named.and_then(|(_, count)| count[1..].parse().ok());
        all.push(Older {
            path: entry.path(),
            identity: identity(&meta),
            modified: modified(&meta),
            naming: named.map(|(naming, _)| naming),
            number: number.filter(|number| *number < DATES),
        });
    }
    let age = |older: &Older| (older.modified, Reverse(older.number));
    all.sort_by(|a, b| age(a).cmp(&age(b)).then_with(|| a.path.cmp(&b.path)));
    Ok(all)
}

/// How a file is called that was once called `log`, and its number or date with what stands before that.
fn named<'a>(log: &str, name: &'a str) -> Option<(Naming, &'a str)> {
    let behind = name.strip_prefix(log).filter(|count| is_count(count));
    let within = || {
        let (stem, end) = log.rsplit_once('.')?;
        let count = name.strip_prefix(stem)?.strip_suffix(end)?;
        count.strip_suffix('.').filter(|count| is_count(count))
    };
    let behind = behind.map(|count| (Naming::Behind, count));
    behind.or_else(|| within().map(|count| (Naming::Within, count)))
}

/// Whether a text is a number or a date behind a mark.
fn is_count(text: &str) -> bool {
    let mut chars = text.chars();
    let is_mark = |c: char| ".-_".contains(c);
    chars.next().is_some_and(is_mark)
        && chars.clone().any(|c| c.is_ascii_digit())
        && chars.all(|c| c.is_ascii_digit() || is_mark(c) || ":TZ".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_moved_away_is_known_by_its_name() {
        for (log, name, wanted) in [
            ("app.log", "app.log.1", Some((Naming::Behind, ".1"))),
            (
                "app.log",
                "app.log-20260101-1767225600",
                Some((Naming::Behind, "-20260101-1767225600")),
            ),
            ("syslog", "syslog.1", Some((Naming::Behind, ".1"))),
            ("app.log", "app.2.log", Some((Naming::Within, ".2"))),
            (
                "app.log",
                "app-2026-01-01T00-00-00.000.log",
                Some((Naming::Within, "-2026-01-01T00-00-00.000")),
            ),
            ("app.log", "app.log", None),
            ("app.log", "app.log.1.gz", None),
            ("app.log", "app.log.bak", None),
            ("app.log", "app.log2", None),
            ("app.log", "app-web.log", None),
            ("app.log", "other.log.1", None),
        ] {
            assert_eq!(named(log, name), wanted, "{name}");
        }
    }
}
