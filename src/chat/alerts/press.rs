//! What the buttons about incidents say to us.

/// A pressed button about incidents, silences or subscriptions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AlertPress {
    /// Show what is wrong now.
    Now,
    /// Show what was, before this number; 0 for the newest.
    History(i64),
    /// Show this incident.
    Show(i64),
    /// The presser takes care of it.
    Ack(i64),
    /// Do not tell it again for an hour.
    Snooze(i64),
    /// Ask for how long its check is to be silent.
    Silence(i64),
    /// Silence its check for so many hours.
    SilenceFor(i64, u32),
    /// Run what may put it right.
    Fix(i64),
    /// Show what is silenced.
    Silences,
    /// End this silence.
    EndSilence(i64),
    /// Tell this place everything from this severity on.
    Subscribe(bool),
    /// Tell this place nothing of this topic any more; of nothing when it is empty.
    Unsubscribe(String),
    /// End this place's quiet hours.
    NoQuiet,
}

impl AlertPress {
    /// Whether a late press of it is asked about first. What people say about an incident holds late, too.
    #[must_use]
    pub fn acts(&self) -> bool {
        match self {
            AlertPress::Fix(_) | AlertPress::SilenceFor(..) => true,
            AlertPress::Now
            | AlertPress::History(_)
            | AlertPress::Show(_)
            | AlertPress::Ack(_)
            | AlertPress::Snooze(_)
            | AlertPress::Silence(_)
            | AlertPress::Silences
            | AlertPress::EndSilence(_)
            | AlertPress::Subscribe(_)
            | AlertPress::Unsubscribe(_)
            | AlertPress::NoQuiet => false,
        }
    }

    /// As it travels in a button.
    #[must_use]
    pub fn data(&self) -> String {
        match self {
            AlertPress::Now => "now".to_owned(),
            AlertPress::History(before) => format!("was:{before}"),
            AlertPress::Show(id) => format!("show:{id}"),
            AlertPress::Ack(id) => format!("ack:{id}"),
            AlertPress::Snooze(id) => format!("snooze:{id}"),
            AlertPress::Silence(id) => format!("silence:{id}"),
            AlertPress::SilenceFor(id, hours) => format!("for:{id}:{hours}"),
            AlertPress::Fix(id) => format!("fix:{id}"),
            AlertPress::Silences => "silences".to_owned(),
            AlertPress::EndSilence(id) => format!("end:{id}"),
            AlertPress::Subscribe(critical) => format!("sub:{}", u8::from(*critical)),
            AlertPress::Unsubscribe(topic) => format!("unsub:{topic}"),
            AlertPress::NoQuiet => "noquiet".to_owned(),
        }
    }

    /// Reads it; `None` for anything that no button of ours says.
    #[must_use]
    pub fn read(data: &str) -> Option<Self> {
        let (word, rest) = data.split_once(':').unwrap_or((data, ""));
        let id = || rest.parse().ok().filter(|id: &i64| *id > 0);
        Some(match word {
            "now" if rest.is_empty() => AlertPress::Now,
            "was" => AlertPress::History(rest.parse().ok().filter(|id| *id >= 0)?),
            "show" => AlertPress::Show(id()?),
            "ack" => AlertPress::Ack(id()?),
            "snooze" => AlertPress::Snooze(id()?),
            "silence" => AlertPress::Silence(id()?),
            "for" => {
                let (id, hours) = rest.split_once(':')?;
                let hours = hours
                    .parse()
                    .ok()
                    .filter(|hours| (1..=720).contains(hours))?;
                AlertPress::SilenceFor(id.parse().ok().filter(|id| *id > 0)?, hours)
            }
            "fix" => AlertPress::Fix(id()?),
            "silences" if rest.is_empty() => AlertPress::Silences,
            "end" => AlertPress::EndSilence(id()?),
            "sub" => AlertPress::Subscribe(match rest {
                "0" => false,
                "1" => true,
                _ => return None,
            }),
            "unsub" => AlertPress::Unsubscribe(rest.to_owned()),
            "noquiet" if rest.is_empty() => AlertPress::NoQuiet,
            _ => return None,
        })
    }
}
