//! What the kernel counts and sysinfo does not tell, or not without asking the disks themselves: waiting and stolen
//! processor time, bytes of disks and interfaces. Pure readers of the texts under `/proc`.

use super::Flow;
use std::collections::HashMap;

/// A sector of `/proc/diskstats`, whatever the disk's own are (Documentation/admin-guide/iostats.rst).
const SECTOR: u64 = 512;

/// Processor time since the start of the machine, in ticks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Ticks {
    all: u64,
    iowait: u64,
    steal: u64,
}

impl Ticks {
    /// Reads the first line of `/proc/stat` (proc(5)).
    pub fn read(stat: &str) -> Option<Self> {
        let line = stat.lines().next()?.strip_prefix("cpu ")?;
        let fields: Vec<u64> = line
            .split_whitespace()
            .map_while(|field| field.parse().ok())
            .collect();
        // user nice system idle iowait irq softirq steal; the time of guests is part of user and nice.
        let of = |field: usize| fields.get(field).copied().unwrap_or(0);
        (fields.len() >= 4).then(|| Self {
            all: fields.iter().take(8).sum(),
            iowait: of(4),
            steal: of(7),
        })
    }

    /// Waiting and stolen time since `before`, in percent; `None` when no time has passed.
    pub fn since(self, before: Self) -> Option<(f64, f64)> {
        let all = self.all.checked_sub(before.all).filter(|all| *all > 0)?;
        // The kernel lets the count of waiting go back a little now and then.
        let share = |now: u64, then: u64| super::share(now.saturating_sub(then), all).min(100.0);
        Some((
            share(self.iowait, before.iowait),
            share(self.steal, before.steal),
        ))
    }
}

/// Two counts of bytes of each device or interface: in and out.
pub(super) type Counts = HashMap<String, (u64, u64)>;

/// Bytes read and written by each block device of `/proc/diskstats`, partitions too; loops and memory are left out.
pub(super) fn disk_bytes(diskstats: &str) -> Counts {
    let line = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let name = *fields.get(2)?;
        let left_out = ["loop", "ram"].iter().any(|kind| name.starts_with(kind));
        let sectors = |field: usize| fields.get(field)?.parse::<u64>().ok();
        let (read, written) = (sectors(5)?, sectors(9)?);
        let bytes = (read.saturating_mul(SECTOR), written.saturating_mul(SECTOR));
        (!left_out).then(|| (name.to_owned(), bytes))
    };
    diskstats.lines().filter_map(line).collect()
}

/// Whether a block device is a part of what all disks do. A partition would count twice, and so would what is built on other
/// disks (device mapper, RAID); memory is no disk.
pub(super) fn is_disk(name: &str, is_whole: impl Fn(&str) -> bool) -> bool {
    let built = ["zram", "dm-", "md", "sr", "fd"];
    !built.iter().any(|kind| name.starts_with(kind)) && is_whole(name)
}

/// Bytes received and sent by each interface of `/proc/net/dev`; loopback is left out.
pub(super) fn net_bytes(dev: &str) -> Counts {
    let line = |line: &str| {
        let (name, counts) = line.split_once(':')?;
        let name = name.trim();
        let counts: Vec<&str> = counts.split_whitespace().collect();
        let of = |field: usize| counts.get(field)?.parse::<u64>().ok();
        let (received, sent) = (of(0)?, of(8)?);
        (name != "lo").then(|| (name.to_owned(), (received, sent)))
    };
    dev.lines().filter_map(line).collect()
}

/// Whether an interface is a part of what the network does. What passes on the traffic of another one (bridges, containers'
/// ends, tunnels, bonds) would count twice.
pub(super) fn is_net(name: &str) -> bool {
    let passes_on = [
        "veth", "docker", "br-", "virbr", "vnet", "tap", "tun", "wg", "cni", "flannel", "cali",
        "bond", "team", "dummy", "ifb",
    ];
    !passes_on.iter().any(|kind| name.starts_with(kind))
}

/// How many bytes a second went through each device since `before`, by name. For one that is new, or whose counts began anew,
/// that is nothing.
pub(super) fn flows(
    now: &Counts,
    before: &Counts,
    seconds: f64,
    counts: impl Fn(&str) -> bool,
) -> Vec<Flow> {
    #[expect(
        clippy::cast_precision_loss,
        reason = "a rate is read with three digits"
    )]
    let a_second = |bytes: u64| bytes as f64 / seconds.max(f64::MIN_POSITIVE);
    let flow = |(device, now): (&String, &(u64, u64))| {
        let before = before.get(device).unwrap_or(now);
        Flow {
            inward: a_second(now.0.saturating_sub(before.0)),
            outward: a_second(now.1.saturating_sub(before.1)),
            counts: counts(device),
            device: device.clone(),
        }
    };
    let mut flows: Vec<Flow> = now.iter().map(flow).collect();
    flows.sort_by(|one, other| one.device.cmp(&other.device));
    flows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_and_stolen_time_are_shares_of_all_time() {
        let before = Ticks::read("cpu  100 0 100 800 0 0 0 0 0 0\ncpu0 1 2 3 4\n").unwrap();
        let now = Ticks::read("cpu  150 0 100 800 25 0 0 25 40 0\n").unwrap();
        assert_eq!(now.since(before), Some((25.0, 25.0)));
        assert_eq!(now.since(now), None);
        assert_eq!(before.since(now), None, "the count began anew");
        assert_eq!(Ticks::read("cpu 1 2 3"), None);
        assert_eq!(Ticks::read(""), None);
        // A count of waiting that goes back is none.
        let back = Ticks {
            iowait: 0,
            all: now.all + 10,
            ..now
        };
        assert_eq!(back.since(now).map(|shares| shares.0), Some(0.0));
    }

    #[test]
    fn only_whole_disks_count() {
        let diskstats = "\
 254       0 vda 100 0 2000 5 10 0 4000 6 0 0 0
 254       1 vda1 100 0 2000 5 10 0 4000 6 0 0 0
 253       0 dm-0 100 0 2000 5 10 0 4000 6 0 0 0
   7       0 loop0 1 0 8 0 0 0 0 0 0 0 0
short line";
        let counts = disk_bytes(diskstats);
        let mut names: Vec<_> = counts.keys().map(String::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["dm-0", "vda", "vda1"]);
        assert_eq!(counts["vda"], (1_024_000, 2_048_000));
        names.retain(|name| is_disk(name, |name| name != "vda1"));
        assert_eq!(names, ["vda"]);
    }

    #[test]
    fn loopback_and_what_passes_traffic_on_do_not_count() {
        let dev = "\
Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs
    lo: 999 1 0 0 0 0 0 0 999 1 0 0 0 0 0 0
  eth0: 1000 1 0 0 0 0 0 0 500 1 0 0 0 0 0 0
veth12:77 1 0 0 0 0 0 0 77 1 0 0 0 0 0 0";
        let counts = net_bytes(dev);
        assert_eq!((counts.len(), counts["eth0"]), (2, (1000, 500)));
        assert!(is_net("eth0") && !is_net("veth12"));
    }

    #[test]
    fn what_is_new_or_began_anew_adds_nothing() {
        let counts = |list: &[(&str, u64, u64)]| -> Counts {
            let one = |(name, a, b): &(&str, u64, u64)| ((*name).to_owned(), (*a, *b));
            list.iter().map(one).collect()
        };
        let before = counts(&[("a", 100, 100), ("b", 500, 500), ("gone", 9, 9)]);
        let now = counts(&[("a", 300, 200), ("b", 10, 510), ("new", 1_000_000, 7)]);
        let flows = flows(&now, &before, 10.0, |device| device != "b");
        let flows: Vec<_> = flows
            .iter()
            .map(|flow| (flow.device.as_str(), flow.inward, flow.outward, flow.counts))
            .collect();
        let expected = [
            ("a", 20.0, 10.0, true),
            ("b", 0.0, 1.0, false),
            ("new", 0.0, 0.0, true),
        ];
        assert_eq!(flows, expected);
    }
}
