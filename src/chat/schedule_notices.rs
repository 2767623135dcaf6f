//! What is told of schedules beside their runs.

use super::commands::schedules::press::SchedulePress;
use super::keyboards::Press;
use crate::base::text::escape;
use crate::delivery::Buttons;
use crate::schedules::{Herald, Notice};

/// Puts notices of schedules into words.
#[derive(Clone, Copy, Debug)]
pub struct ScheduleNotices;

impl Herald for ScheduleNotices {
    fn words(&self, notice: &Notice) -> (String, Buttons) {
        match notice {
            Notice::Paused { schedule, why } => {
                let html = format!(
                    "⏸ The schedule <b>{}</b> is paused. {}",
                    escape(schedule),
                    escape(why)
                );
                let look = SchedulePress::Show(schedule.clone());
                (html, vec![vec![Press::Schedule(look).button("Look")]])
            }
            Notice::Stopped { schedule, by, job } => {
                let html = format!(
                    "⏸ <b>{}</b> is paused: {} stopped #{job}, so no new run begins by itself before it goes on again: /resume {}",
                    escape(schedule),
                    escape(by),
                    escape(schedule)
                );
                let on = SchedulePress::Resume(schedule.clone());
                (html, vec![vec![Press::Schedule(on).button("Resume")]])
            }
            Notice::GivenUp {
                schedule,
                time,
                job,
                why,
            } => {
                let html = format!(
                    "🗓 <b>{}</b> · {}\n❌ #{job} failed, and is not tried again: {}",
                    escape(schedule),
                    escape(time),
                    escape(why)
                );
                (html, vec![vec![Press::Job(*job).button(format!("#{job}"))]])
            }
            Notice::NotStarted {
                schedule,
                time,
                why,
            } => {
                let html = format!(
                    "🗓 <b>{}</b> · {}\n❌ not started: {}",
                    escape(schedule),
                    escape(time),
                    escape(why)
                );
                let look = SchedulePress::Show(schedule.clone());
                (html, vec![vec![Press::Schedule(look).button("Look")]])
            }
        }
    }
}
