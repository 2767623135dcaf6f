//! What a job left in its folder, as messages that follow its ending.

use super::files::{Bounds, Folder, Left};
use super::redact::Redactor;
use super::{Jobs, files, subject};
use crate::base::error::Result;
use crate::base::text::{self, escape};
use crate::delivery::card::Subject;
use crate::delivery::{Body, Outgoing};
use crate::store::{self, jobs::Job};
use std::io;

/// Of a name, the most that a caption shows, in UTF-16 units.
const NAME_UNITS: usize = 120;

impl Jobs {
    /// Where the files of a job are.
    pub(super) fn folder(&self, job: &Job) -> Folder {
        Folder::of(&self.inner.settings.work_dir, job.id)
    }

    /// Makes the folder of a job that starts. A script finds a folder that could not be made missing, and fails with
    /// the disk's own words, if it needs it.
    pub(super) async fn prepare_folder(&self, folder: &Folder, resumes: bool) {
        let made = folder.clone();
        let make = move || match resumes {
            true => made.prepare_again(),
            false => made.prepare(),
        };
        if let Err(error) = beside(make).await {
            tracing::error!(%error, "the folder for a job's files cannot be made");
        }
    }

    /// The messages that bring what a job left, its secrets masked in the names.
    pub(super) async fn results(
        &self,
        job: &Job,
        folder: &Folder,
        mask: &Redactor,
    ) -> Vec<Outgoing> {
        let limits = self.limits();
        let bounds = Bounds {
            files: limits.max_files,
            bytes: limits.max_files_size,
        };
        // For most jobs, at once: to look into a folder takes less time than to hand it to another thread.
        if folder.is_untouched() {
            return Vec::new();
        }
        let (collected, subject) = (folder.clone(), subject(job.id, &job.new));
        match beside(move || collected.collect(bounds)).await {
            Ok(left) => messages(&subject, folder, &left, mask),
            // It was never made, or the script removed it: nothing was left.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => {
                tracing::warn!(%error, "what a job left cannot be looked at");
                let words = format!("What it left in $OPSGRAM_OUT cannot be looked at: {error}.");
                vec![note(&subject, &words)]
            }
        }
    }

    /// Removes the files of jobs that are gone, and of ended ones what was set apart for messages that are all out. Those
    /// of a message that failed or was dropped stay: it may be tried again as long as the job is kept.
    ///
    /// # Errors
    /// When the database or the disk refuses.
    pub async fn tidy_files(&self) -> Result<()> {
        let work = self.inner.settings.work_dir.clone();
        let found = beside(move || files::jobs(&work)).await;
        for id in found.map_err(anyhow::Error::new)? {
            // The job first: once it has ended, what is to be sent is promised.
            let (job, unsent) = {
                let mut db = self.inner.store.read().await?;
                let job = store::jobs::find(&mut db, id).await?;
                let unsent = store::outbox::unsent_from(&mut db, &source(id, "")).await?;
                (job, unsent)
            };
            let folder = Folder::of(&self.inner.settings.work_dir, id);
            let tidied = match job {
                None => beside(move || folder.remove()).await,
                Some(job) if job.state.is_final() && unsent == 0 => {
                    beside(move || {
                        folder.settle();
                        Ok(())
                    })
                    .await
                }
                Some(_) => Ok(()),
            };
            if let Err(error) = tidied {
                tracing::warn!(job = %id, %error, "files of a job stay behind");
            }
        }
        Ok(())
    }

    /// Removes what a job worked in.
    pub(super) async fn remove_work(&self, folder: Folder) {
        let removed = beside(move || {
            folder.remove_work();
            Ok(())
        });
        if let Err(error) = removed.await {
            tracing::warn!(%error, "what a job worked in stays behind");
        }
    }

    /// Removes what a job left empty. Done when its ending is written, since nobody waits for it.
    pub(super) async fn remove_empty_folders(&self, folder: Folder) {
        let removed = beside(move || {
            folder.remove_empty();
            Ok(())
        });
        if let Err(error) = removed.await {
            tracing::warn!(%error, "empty folders of a job stay behind");
        }
    }

    /// Removes all files of a job.
    pub(super) async fn remove_files(&self, folder: Folder) {
        if let Err(error) = beside(move || folder.remove()).await {
            tracing::warn!(%error, "files of a job stay behind");
        }
    }
}

/// Does disk work beside the runtime.
async fn beside<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(io::Error::other)?
}

/// The source of a message that tells of a job's files.
fn source(id: crate::base::ids::JobId, what: &str) -> String {
    format!("out:{id}:{what}")
}

fn messages(subject: &Subject<'_>, folder: &Folder, left: &Left, mask: &Redactor) -> Vec<Outgoing> {
    let mut messages: Vec<_> = left
        .sent
        .iter()
        .map(|found| {
            let name = mask.mask(&found.name);
            let key = source(subject.id, &found.number.to_string());
            let html = format!(
                "<b>{}</b> · #{} · {}",
                escape(subject.title),
                subject.id,
                escape(&text::shorten(&name, NAME_UNITS))
            );
            let body = Body::Document {
                key: key.clone(),
                name,
                html,
                buttons: Vec::new(),
            };
            Outgoing::new(subject.place, body)
                .reply_to(subject.reply_to)
                .source(key)
        })
        .collect();
    if left.kept > 0 {
        let words = kept_words(left, folder, !left.sent.is_empty(), mask);
        messages.push(note(subject, &words).source(source(subject.id, "left")));
    }
    messages
}

/// Says what stays on the server, why, and where.
fn kept_words(left: &Left, folder: &Folder, more: bool, mask: &Redactor) -> String {
    let more = if more { "more " } else { "" };
    let mut words = match left.kept {
        1 => format!("1 {more}file was left on the server:"),
        kept => format!(
            "{} {more}files were left on the server:",
            text::grouped(kept as u64)
        ),
    };
    for (name, why) in &left.named {
        let name = mask.mask(name);
        words.push_str(&format!(
            "\n{} ({})",
            text::shorten(&name, NAME_UNITS),
            why.words()
        ));
    }
    let unnamed = left.kept - left.named.len();
    if unnamed > 0 {
        words.push_str(&format!("\n… and {} more", text::grouped(unnamed as u64)));
    }
    words.push_str(&format!(
        "\nKept with the job in {}",
        folder.out().display()
    ));
    words
}

fn note(subject: &Subject<'_>, words: &str) -> Outgoing {
    let html = format!(
        "<b>{}</b> · #{}\n{}",
        escape(subject.title),
        subject.id,
        escape(words)
    );
    Outgoing::text(subject.place, html, Vec::new()).reply_to(subject.reply_to)
}
