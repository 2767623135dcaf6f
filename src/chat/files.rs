//! A file that came without a command: which scripts take it, as buttons; and what is said to other things.

use super::commands::run::{self, Wanted};
use super::keyboards::Press;
use super::offers::{self, Offer};
use super::reply::Reply;
use super::request::Request;
use crate::access::Asked;
use crate::actions::incoming;
use crate::base::error::{Error, Result};
use crate::base::role::Role;
use crate::base::text::{bytes, escape, shorten};
use crate::base::upload::{Attached, Upload};
use crate::config::{MAX_INCOMING_FILE, Script};
use crate::jobs::Origin;
use std::time::Duration;

/// How long the buttons under a file stand.
const OFFERED_FOR: Duration = Duration::from_secs(24 * 3600);
/// So many scripts are offered, and so many are named.
const SHOWN: usize = 10;
/// Of a file's name, the most that a button shows, in UTF-16 units.
const NAME_UNITS: usize = 32;

/// Offers the scripts that take the file and that the sender may run.
///
/// # Errors
/// The refusal in words, or a failure of ours.
pub async fn offer(request: &Request, upload: &Upload) -> Result<Reply> {
    let asked = Asked::new("file.offer", upload.words(), Role::Viewer);
    request.allow(asked).await?;
    let config = request.services.live.current();
    let (user, place) = (request.actor.id, request.actor.place);
    let mine = config.scripts.values().filter(|script| {
        let takes_files = script.files().next().is_some();
        let access = request.access();
        takes_files && access.may_run(user, place, script.name.as_str(), script.role)
    });
    let mine: Vec<&Script> = mine.collect();
    if mine.is_empty() {
        return Ok(Reply::plain(
            "No script of yours takes a file. /run shows what there is.",
        ));
    }
    if upload.size.is_some_and(|size| size > MAX_INCOMING_FILE) {
        return Ok(Reply::plain(&format!(
            "{} is too large: Telegram hands bots files of up to {}. Bring it to the server in another way.",
            upload.words(),
            bytes(MAX_INCOMING_FILE)
        )));
    }
    let takes = |script: &&&Script| {
        let mut rules = script.files();
        rules.any(|(_, rule)| incoming::check(rule, upload).is_ok())
    };
    let fitting: Vec<_> = mine.iter().filter(takes).collect();
    if fitting.is_empty() {
        return Ok(none_takes(&mine, upload));
    }
    let offer = Offer::File {
        upload: upload.clone(),
        message: request.message,
    };
    let intent = offers::keep(request, &offer, OFFERED_FOR).await?;
    let label = shorten(&upload.name, NAME_UNITS);
    let button = |script: &&&Script| {
        let press = Press::GiveFile(intent.clone(), script.name.to_string());
        vec![press.button(format!("{} ← {label}", script.name))]
    };
    let more = match fitting.len() > SHOWN {
        true => "\nThere are more: send /run and the name of the script as a reply to the file.",
        false => "",
    };
    Ok(Reply::html(format!(
        "Which script is to get <b>{}</b>?{more}",
        escape(&upload.words())
    ))
    .buttons(fitting.iter().take(SHOWN).map(button).collect()))
}

/// Says what the scripts take instead.
fn none_takes(scripts: &[&Script], upload: &Upload) -> Reply {
    let mut words = format!("No script of yours takes {}.", upload.words());
    for script in scripts.iter().take(SHOWN) {
        for (name, rule) in script.files() {
            if let Err(why) = incoming::check(rule, upload) {
                words.push_str(&format!("\n{} ({name}): {why}", script.name));
            }
        }
    }
    Reply::plain(&words)
}

/// Runs a script with the file under which its button stood.
///
/// # Errors
/// The refusal in words, or a failure of ours.
pub async fn give(request: &Request, intent: &str, script: String) -> Result<Reply> {
    let offer = offers::open(request, intent).await?;
    let Offer::File { upload, message } = offer else {
        return Err(Error::refused("This button no longer stands for anything."));
    };
    let mut request = request.clone();
    request.source = format!("intent:{intent}:{script}");
    let wanted = Wanted {
        attached: Some(Attached { upload, own: true }),
        ..Wanted::new(script)
    };
    let origin = Origin {
        reply_to: message,
        ..request.origin()
    };
    run::begin(&request, wanted, origin).await
}

/// Of several files sent as one, the first without a command is asked about, and this is said of the others.
#[must_use]
pub fn one_of_many(mut reply: Reply) -> Reply {
    reply.html.push_str(
        "\nOf files that are sent together, each job takes one: send the others one by one, each with its command as the caption.",
    );
    reply
}

/// What is said to a sticker, a voice message and the like.
#[must_use]
pub fn other(what: &str) -> Reply {
    Reply::plain(&format!(
        "I cannot do anything with {what}. I understand commands (/help lists them) and files for scripts."
    ))
}
