//! `/top`: the processes that take the most, by processor or by memory.

use super::About;
use crate::access::Asked;
use crate::base::error::{Error, Result};
use crate::base::role::Role;
use crate::base::text::{bytes, escape, pre, shorten};
use crate::chat::keyboards::Press;
use crate::chat::reply::Reply;
use crate::chat::request::Request;
use crate::drivers::host::{self, Process};

/// What the help says.
pub const ABOUT: About = About {
    name: "top",
    form: "[cpu|mem]",
    does: "Show the busiest processes",
    example: ("/top mem", "shows the processes that hold the most memory"),
    role: Some(Role::Viewer),
    acts: false,
};

/// How many processes are shown.
const SHOWN: usize = 10;
/// The longest name that is shown, in UTF-16 units.
const NAME_UNITS: usize = 15;

/// What the processes are ordered by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// How busy they are.
    Cpu,
    /// How much memory they hold.
    Memory,
}

impl Order {
    /// As typed and as it travels in a button.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Order::Cpu => "cpu",
            Order::Memory => "mem",
        }
    }

    /// Reads what [`Order::as_str`] wrote.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        [Order::Cpu, Order::Memory]
            .into_iter()
            .find(|order| order.as_str() == word)
    }
}

/// Shows the processes in the order that was typed.
///
/// # Errors
/// The refusal in words, or a failure of ours.
pub async fn handle(request: &Request, rest: &str) -> Result<Reply> {
    let order = match rest.to_lowercase().as_str() {
        "" => Some(Order::Cpu),
        word => Order::parse(word),
    };
    let order = order.ok_or_else(|| {
        Error::refused(format!(
            "Processes are not ordered by “{}”. Write /top cpu or /top mem.",
            shorten(rest, 40)
        ))
    })?;
    show(request, order).await
}

/// Shows the processes in this order.
///
/// # Errors
/// The refusal in words, or a failure of ours.
pub async fn show(request: &Request, order: Order) -> Result<Reply> {
    request
        .allow(Asked::new("status.top", order.as_str(), Role::Viewer))
        .await?;
    let processes = host::processes().await.map_err(anyhow::Error::new)?;
    let title = match order {
        Order::Cpu => "The busiest processes",
        Order::Memory => "The processes with the most memory",
    };
    let html = format!(
        "<b>{title}</b> on {}\n{}\n% is of one processor.",
        escape(&host::name()),
        pre(&table(processes, order))
    );
    let tab = |this: Order, label: &str| match this == order {
        true => Press::Top(this).button(format!("· {label} ·")),
        false => Press::Top(this).button(label),
    };
    let tabs = vec![tab(Order::Cpu, "CPU"), tab(Order::Memory, "Memory")];
    Ok(Reply::html(html).buttons(vec![tabs, vec![Press::Top(order).button("Refresh")]]))
}

/// The first processes in this order, in columns that a phone shows without wrapping: 34 characters.
fn table(mut processes: Vec<Process>, order: Order) -> String {
    processes.sort_by(|a, b| {
        let by = match order {
            Order::Cpu => b.cpu.total_cmp(&a.cpu).then(b.memory.cmp(&a.memory)),
            Order::Memory => b.memory.cmp(&a.memory).then(b.cpu.total_cmp(&a.cpu)),
        };
        by.then(a.pid.cmp(&b.pid))
    });
    let mut lines = vec![format!(
        "{:>5}  {:>7}  {:>7}  NAME",
        "CPU%", "MEMORY", "PID"
    )];
    for process in processes.iter().take(SHOWN) {
        // A name is the program's own choice: what could break the table is taken out.
        let name: String = process
            .name
            .chars()
            .map(|c| {
                if c.is_control() || c.is_whitespace() {
                    ' '
                } else {
                    c
                }
            })
            .collect();
        lines.push(format!(
            "{:>5.1}  {:>7}  {:>7}  {}",
            process.cpu,
            bytes(process.memory),
            process.pid,
            shorten(&name, NAME_UNITS)
        ));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(pid: u32, name: &str, cpu: f64, memory: u64) -> Process {
        Process {
            pid,
            name: name.to_owned(),
            cpu,
            memory,
        }
    }

    #[test]
    fn the_ten_that_take_the_most_are_shown() {
        let mut all: Vec<_> = (1..=12)
            .map(|pid| process(pid, "small", 0.0, 1000))
            .collect();
        all.push(process(77, "post\ngres worker process", 250.04, 5_000_000));
        all.push(process(99, "java", 3.0, 4_000_000_000));
        let by_cpu = table(all.clone(), Order::Cpu);
        let lines: Vec<_> = by_cpu.lines().collect();
        assert_eq!(lines.len(), 1 + SHOWN);
        assert_eq!(lines[0], " CPU%   MEMORY      PID  NAME");
        assert_eq!(lines[1], "250.0     5 MB       77  post gres work…");
        assert_eq!(lines[2], "  3.0     4 GB       99  java");
        assert_eq!(lines[3], "  0.0     1 kB        1  small");
        let by_memory = table(all, Order::Memory);
        assert!(
            by_memory.lines().nth(1).unwrap().ends_with("java"),
            "{by_memory}"
        );
    }
}
