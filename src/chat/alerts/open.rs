//! What is wrong now, a line each, with what is not told of it for a time.

use super::first_line;
use crate::base::error::Result;
use crate::base::text::escape;
use crate::base::time::Millis;
use crate::chat::commands::jobs::clock;
use crate::chat::request::Request;
use crate::monitors::incidents::covers;
use crate::store::incidents::{self, Incident};
use crate::store::silences::{self, Silence};

/// What is wrong at a moment.
pub struct Open {
    /// The incidents, the worst first.
    pub all: Vec<Incident>,
    silences: Vec<Silence>,
    /// The moment.
    pub now: Millis,
}

impl Open {
    /// What is wrong now.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn read(request: &Request) -> Result<Self> {
        let now = Millis::now();
        let mut db = request.services.store.read().await?;
        Ok(Self {
            all: incidents::open(&mut db).await?,
            silences: silences::lasting(&mut db, now).await?,
            now,
        })
    }

    /// The first so many in a line each, and how many more there are, with where to look.
    #[must_use]
    pub fn lines(&self, most: usize, note: usize, rest: &str) -> Vec<String> {
        let line = |one: &Incident| {
            let held = held(one, &self.silences, self.now);
            format!("{}{held}", first_line(one, self.now, note))
        };
        let mut lines: Vec<_> = self.all.iter().take(most).map(line).collect();
        if self.all.len() > most {
            lines.push(format!("… and {} more{rest}", self.all.len() - most));
        }
        lines
    }
}

/// The silence of an incident that lasts longest.
#[must_use]
pub fn silence_of<'a>(incident: &Incident, silences: &'a [Silence]) -> Option<&'a Silence> {
    let about = silences
        .iter()
        .filter(|silence| covers(silence, incident) && incident.cleared.is_none());
    about.max_by_key(|silence| silence.until)
}

/// That it is silenced: `🔕 Silenced until 14:30 (ann)`.
#[must_use]
pub fn remark(incident: &Incident, silences: &[Silence], now: Millis) -> Option<String> {
    let silence = silence_of(incident, silences)?;
    Some(format!(
        "🔕 Silenced until {} ({})",
        clock(silence.until, now),
        escape(&silence.by.1)
    ))
}

/// The end of its line: that it is silenced or snoozed, and until when.
fn held(incident: &Incident, silences: &[Silence], now: Millis) -> String {
    let silenced = silence_of(incident, silences).map(|silence| silence.until);
    let snoozed = incident.snoozed.as_ref().map(|(_, until)| *until);
    match (silenced, snoozed.filter(|until| *until > now)) {
        (Some(until), _) => format!(" · 🔕 silenced until {}", clock(until, now)),
        (None, Some(until)) => format!(" · 😴 snoozed until {}", clock(until, now)),
        (None, None) => String::new(),
    }
}
