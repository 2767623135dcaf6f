//! `/output`: searching in one job and in all, page by page, as a file, in parts; whatever the log is like.

use crate::harness::tools::{Gate, until};
use crate::harness::{ANN, BEN, CLEO, OPS, World};
use crate::on_both;
use opsgram::sandbox::Message;
use std::os::unix::fs::OpenOptionsExt;

/// Runs a script to its end.
async fn ran(world: &World, person: i64, script: &str, number: i64) {
    world.say(person, &format!("/run {script}"));
    world
        .sees(person, &format!("{script} · #{number} · exit"))
        .await;
    world.quiet().await;
}

/// The numbers of the lines that match.
fn matching(message: &Message) -> Vec<u64> {
    let number = |line: &str| line.split_once(": ")?.0.parse().ok();
    message.text.lines().filter_map(number).collect()
}

on_both! {
    /// Context, case, expressions, quotes and their mistakes.
    async fn a_search_is_understood_as_typed(world) {
        world.script("log", "for i in $(seq 1 30); do echo \"line $i <b>&\"; done; echo 'Disk FULL ±2 now'; printf '\\x1b[31mE\\x1b[1m42\\x1b[0m\\n'", &[]);
        world.start().await;
        ran(&world, BEN, "log", 1).await;
        let cases = [
            ("/output 1 grep line 7 ±2", "One line of #1 with “line 7”:\n5- line 5 <b>&\n6- line 6 <b>&\n7: line 7 <b>&\n8- line 8 <b>&\n9- line 9 <b>&"),
            ("/output 1 grep “line 7” context 0", "One line of #1 with “line 7”:\n7: line 7 <b>&"),
            ("/output 1 GREP disk full ±0", "One line of #1 with “disk full”:\n31: Disk FULL ±2 now"),
            ("/output 1 grep Disk ±0", "One line of #1 with “Disk”:\n31: Disk FULL ±2 now"),
            ("/output 1 grep \"±2\" ±0", "One line of #1 with “±2”:\n31: Disk FULL ±2 now"),
            ("/output 1 grep DISK", "Nothing in the output of #1 holds “DISK”. Written without capitals, it is found in any case."),
            ("/output 1 grep e42 ±0", "One line of #1 with “e42”:\n32: E42"),
            ("/output 1 grep /^line [12]$|^E\\d+$/ ±0", "One line of #1 with /^line [12]$|^E\\d+$/:\n32: E42"),
            ("/output 1 grep /LINE 2\\b/i ±0", "One line of #1 with /LINE 2\\b/i:\n2: line 2 <b>&"),
            ("/output 1 grep /LINE 2\\b/", "Nothing in the output of #1 holds /LINE 2\\b/. Written without capitals, it is found in any case."),
            ("/output 1 grep .*", "Nothing in the output of #1 holds “.*”."),
            ("/output 1 grep /line (1|30) / ±0", "2 lines of #1 with /line (1|30) /:\n1: line 1 <b>&\n⋯\n30: line 30 <b>&"),
            ("/output 1 grep <b> ±999", "At most 20 lines around a match can be shown. Write ±20 or less."),
            ("/output 1 grep /(/", "“/(/” is no regular expression: unclosed group."),
            ("/output 1 grep /(x{500}){500}/", "This expression is too large. Repeat less, or look for a part of it."),
            ("/output 1 head 2", "Lines 1–2 of 32 of #1:\n1: line 1 <b>&\n2: line 2 <b>&"),
            ("/output 1 tail 2", "Lines 31–32 of 32 of #1:\n31: Disk FULL ±2 now\n32: E42"),
            ("/output 1 lines 3-4", "Lines 3–4 of 32 of #1:\n3: line 3 <b>&\n4: line 4 <b>&"),
            ("/output 1 lines 90-100", "#1 has 32 lines. Write a number up to there."),
            ("/output 1 lines 4-3", "“4-3” does not say which lines. Write the first and the last, as in /output 12 lines 100-150."),
            ("/output 1 lines x", "“x” does not say which lines. Write the first and the last, as in /output 12 lines 100-150."),
            ("/output 1 tail x", "“x” is not a number of lines. Write it as in /output 12 tail 50."),
            ("/output 1 head 0", "“0” is not a number of lines. Write it as in /output 12 tail 50."),
        ];
        for (text, answer) in cases {
            let told = world.asks(BEN, BEN, text).await;
            assert_eq!(told.text, answer, "to {text}");
        }
        let part = world.asks(BEN, BEN, "/output 1 lines 10-11").await;
        world.presses(BEN, &part, "After ›").await;
        let after = world.sees(BEN, "Lines 12–31 of 32").await;
        world.presses(BEN, &after, "‹ Before").await;
        world.sees(BEN, "Lines 1–11 of 32").await;
        world.quiet().await;
        world.polite();
    }
}

on_both! {
    /// Pages hold every match once, turn both ways, mark what matched, and come as a file; for whoever may look, in that chat.
    async fn a_search_turns_its_pages(world) {
        world.script("log", "for i in $(seq 1 1000); do echo \"row $i $((i % 5 == 0 ? 1 : 0))hit\"; done", &[]);
        world.start().await;
        ran(&world, BEN, "log", 1).await;
        let first = world.asks(BEN, OPS, "/output 1 grep 1hit ±0").await;
        assert!(first.text.starts_with("200 lines of #1 with “1hit”, the first of them:\n5: row 5 1hit\n⋯\n10: "), "{}", first.text);
        assert!(first.source.contains("<b>1hit</b>"), "{}", first.source);
        let mut all = matching(&first);
        let mut page = first.clone();
        let mut number = 1;
        while page.button("More ›").is_some() {
            world.presses(CLEO, &page, "More ›").await;
            number += 1;
            page = world.sees(OPS, &format!("200 lines of #1 with “1hit”, page {number}:")).await;
            assert_eq!(page.id, first.id);
            all.extend(matching(&page));
        }
        assert_eq!(all, (1..=200).map(|n| n * 5).collect::<Vec<_>>());
        world.presses(ANN, &page, "‹ Back").await;
        let back = world.sees(OPS, &format!("page {}:", number - 1)).await;
        world.presses(BEN, &back, "As file").await;
        let file = world.sees(OPS, "The lines of #1 with “1hit”").await;
        let document = file.document.unwrap();
        assert_eq!(document.name, "log-1-found.txt");
        let text = String::from_utf8(document.bytes.to_vec()).unwrap();
        assert!(text.starts_with("5: row 5 1hit\n⋯\n10: row 10 1hit\n"), "{text}");
        assert_eq!(text.lines().filter(|line| line.contains("1hit")).count(), 200);
        let data = first.button("More ›").unwrap().data.clone().unwrap();
        world.asks(BEN, BEN, "/whoami").await;
        let elsewhere = world.forges(BEN, BEN, &data).await;
        assert_eq!(elsewhere.as_deref(), Some("This button no longer stands for anything."));
        let (id, _) = data.rsplit_once(':').unwrap();
        let beyond = world.sandbox.press_forged(BEN, OPS, first.id, &format!("{id}:499"));
        assert_eq!(world.answer(&beyond).await.as_deref(), Some("This button no longer stands for anything."));
        world.quiet().await;
        world.polite();
    }
}

on_both! {
    /// A search in all jobs finds what the asker may see, newest first, by filter, and opens a job from there.
    async fn all_past_output_is_searched(world) {
        world.script("good", "echo the needle is fine", &[]);
        world.script("bad", "echo a NEEDLE; echo more; exit 3", &[]);
        world.script("quiet", "true", &[]);
        world.script("payroll", "echo needle of pay", &["role: admin"]);
        world.start().await;
        for (number, script) in (1..).zip(["good", "bad", "quiet", "payroll", "good"]) {
            ran(&world, ANN, script, number).await;
        }
        let found = world.asks(BEN, BEN, "/output grep needle").await;
        let order: Vec<_> = ["#5", "#2", "#1"].iter().map(|id| found.text.find(id).unwrap()).collect();
        assert!(order.is_sorted(), "{}", found.text);
        assert!(found.text.starts_with("“needle” was found. 3 logs were searched, back to "), "{}", found.text);
        assert!(!found.text.contains("payroll") && !found.text.contains("pay"), "{}", found.text);
        assert!(found.source.contains("<b>needle</b>") && found.source.contains("<b>NEEDLE</b>"));
        let owner = world.asks(ANN, ANN, "/output grep needle").await;
        assert!(owner.text.contains("needle of pay") && owner.text.contains("4 logs were searched"), "{}", owner.text);
        let failed = world.asks(BEN, BEN, "/output grep needle failed since 1h").await;
        assert!(failed.text.contains("#2 ") && !failed.text.contains("#5 "), "{}", failed.text);
        world.presses(BEN, &failed, "#2").await;
        world.sees(BEN, "One line of #2 with “needle”:\n1: a NEEDLE\n2- more").await;
        let none = world.asks(BEN, BEN, "/output grep \"not there\" bad").await;
        assert!(none.text.starts_with("Nothing holds “not there”. One log was searched"), "{}", none.text);
        let several = world.asks(BEN, BEN, "/output grep disk full").await;
        assert!(several.text.ends_with("put them into quotes: /output grep \"disk full\"."), "{}", several.text);
        let bare = world.asks(BEN, BEN, "/output grep").await;
        assert!(bare.text.starts_with("Write what to look for: /output grep error."), "{}", bare.text);
        let data = owner.button("#4").unwrap().data.clone().unwrap();
        let stolen = world.forges(BEN, BEN, &data).await;
        assert_eq!(stolen.as_deref(), Some("This button no longer stands for anything."));
        world.quiet().await;
        assert_eq!(world.count(BEN, "needle of pay"), 0);
        world.polite();
    }
}

on_both! {
    /// With many hits, one page after the other comes, each job once.
    async fn a_search_in_all_turns_its_pages(world) {
        world.script("log", "echo a needle", &[]);
        world.set("jobs: {per_user: 64, max_queued: 100}");
        world.start().await;
        for _ in 0..20 {
            world.asks(BEN, BEN, "/run log").await;
        }
        world.quiet().await;
        let mut page = world.asks(BEN, OPS, "/output grep needle").await;
        let (mut all, mut seen) = (crate::history::numbers(&page), page.text.clone());
        while page.button("Search on ›").is_some() {
            world.presses(BEN, &page, "Search on ›").await;
            let before = seen.clone();
            let changed = |view: &opsgram::sandbox::View<'_>| {
                view.last_from_bot(OPS).filter(|m| m.text != before).cloned()
            };
            page = world.sandbox.wait(crate::harness::PATIENCE, "the next page", changed).await.unwrap();
            seen = page.text.clone();
            all.extend(crate::history::numbers(&page));
        }
        assert_eq!(all, (1..=20).rev().collect::<Vec<_>>());
        world.presses(BEN, &page, "‹ Back").await;
        world.sees(OPS, "· #12 ").await;
        world.quiet().await;
        world.polite();
    }
}

on_both! {
    /// A job that runs is searched as far as it got; a log that is gone is told as such.
    async fn running_jobs_and_missing_logs_are_told(world) {
        let mut gate = Gate::new(&world, "gate");
        let wait = gate.wait();
        world.script("long", &format!("echo begun; {wait}; echo ended"), &[]);
        world.start().await;
        world.say(BEN, "/run long");
        world.sees(BEN, "begun").await;
        let found = world.asks(BEN, BEN, "/output 1 grep begun").await;
        assert_eq!(found.text, "One line of #1 with “begun”:\n1: begun");
        let all = world.asks(BEN, BEN, "/output grep begun running").await;
        assert!(all.text.contains("1: begun"), "{}", all.text);
        gate.open(1);
        world.sees(BEN, "✅ long · #1").await;
        world.quiet().await;
        let page = world.asks(BEN, BEN, "/output 1 grep e").await;
        std::fs::remove_file(world.path().join("data/logs/1.log")).unwrap();
        assert_eq!(world.asks(BEN, BEN, "/output 1 grep e").await.text, "#1 has printed nothing that is kept.");
        world.presses(BEN, &page, "As file").await;
        world.sees(BEN, "The log is no longer kept.").await;
        let all = world.asks(BEN, BEN, "/output grep begun").await;
        assert!(all.text.starts_with("Nothing holds “begun”."), "{}", all.text);
        world.quiet().await;
    }
}

on_both! {
    /// A search that takes long ends in time, says how far it came, goes on from there, and delays nobody else.
    async fn a_slow_search_is_cut_short_and_delays_nobody(world) {
        world.start_hurried().await;
        let store = world.services().store.clone();
        let past = crate::history::Past {
            title: "huge",
            state: "succeeded",
            role: "viewer",
            asker: BEN,
            at: opsgram::base::time::Millis::now().0,
        };
        crate::history::past(&store, &[past]).await;
        let mut tx = store.begin().await.unwrap();
        sqlx::query("UPDATE jobs SET log_bytes = 67108864").execute(&mut *tx).await.unwrap();
        store.commit(tx).await.unwrap();
        let line = format!("{}\n", "a line of a log that is eighty bytes long, more or less, as lines are");
        let log = line.repeat((64 << 20) / line.len());
        std::fs::write(world.path().join("data/logs/1.log"), log).unwrap();
        let cut = world.asks(BEN, BEN, "/output 1 grep /([a-z]+ ){4,20}never$/").await;
        assert!(cut.text.contains("None up to line ") && cut.text.contains("This log takes long to search."), "{}", cut.text);
        world.presses(BEN, &cut, "More ›").await;
        let further = world.sees(BEN, "page 2:").await;
        let line = |message: &Message| -> u64 {
            let (_, rest) = message.text.split_once("None up to line ").unwrap();
            rest.split('.').next().unwrap().replace(',', "").parse().unwrap()
        };
        assert!(line(&further) > line(&cut), "{} {}", cut.text, further.text);
        let all = world.asks(BEN, BEN, "/output grep /([a-z]+ ){4,20}never$/").await;
        assert!(all.text.starts_with("Nothing holds /([a-z]+ ){4,20}never$/ yet. One log was searched"), "{}", all.text);
        assert!(all.button("Search on ›").is_some());
        // A pipe in its place is not open until the test opens its other end: meanwhile, others are answered.
        let log = world.path().join("data/logs/1.log");
        std::fs::remove_file(&log).unwrap();
        nix::unistd::mkfifo(&log, nix::sys::stat::Mode::S_IRWXU).unwrap();
        let before = world.sandbox.seq();
        world.say(BEN, "/output grep seldom");
        world.asks(CLEO, CLEO, "/status jobs").await;
        let told = world.sandbox.events_since(before);
        let to_ben = |event: &opsgram::sandbox::Event| matches!(event.what, opsgram::sandbox::What::Sent { chat: BEN, .. });
        assert!(!told.iter().any(to_ben), "{told:?}");
        let opens = || std::fs::File::options().write(true).custom_flags(nix::libc::O_NONBLOCK).open(&log).is_ok();
        until("the search to reach the log", opens).await;
        world.sees(BEN, "Something went wrong on my side").await;
        world.quiet().await;
        world.polite();
    }
}
