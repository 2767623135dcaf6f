//! What the buttons about schedules say to us.

/// What is pressed about schedules, each known by its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SchedulePress {
    /// Show this page of them.
    List(usize),
    /// Show this one.
    Show(String),
    /// Run what it runs, at once.
    Run(String),
    /// Pause it.
    Pause(String),
    /// Let it go on.
    Resume(String),
    /// Remove it.
    Remove(String),
}

impl SchedulePress {
    /// Whether it changes or starts something.
    #[must_use]
    pub fn acts(&self) -> bool {
        match self {
            SchedulePress::Run(_)
            | SchedulePress::Pause(_)
            | SchedulePress::Resume(_)
            | SchedulePress::Remove(_) => true,
            SchedulePress::List(_) | SchedulePress::Show(_) => false,
        }
    }

    /// As it travels in a button.
    #[must_use]
    pub fn data(&self) -> String {
        match self {
            SchedulePress::List(page) => format!("all:{page}"),
            SchedulePress::Show(name) => format!("show:{name}"),
            SchedulePress::Run(name) => format!("run:{name}"),
            SchedulePress::Pause(name) => format!("pause:{name}"),
            SchedulePress::Resume(name) => format!("go:{name}"),
            SchedulePress::Remove(name) => format!("drop:{name}"),
        }
    }

    /// Reads it; `None` for anything that no button of ours says.
    #[must_use]
    pub fn read(data: &str) -> Option<Self> {
        let (word, rest) = data.split_once(':')?;
        let name = rest.to_owned();
        Some(match word {
            "all" => SchedulePress::List(rest.parse().ok()?),
            "show" => SchedulePress::Show(name),
            "run" => SchedulePress::Run(name),
            "pause" => SchedulePress::Pause(name),
            "go" => SchedulePress::Resume(name),
            "drop" => SchedulePress::Remove(name),
            _ => return None,
        })
    }
}
