//! What each command says: in the good case, bare, and for each mistake that a person makes.

use crate::harness::{ANN, BEN, CLEO, OPS, PATIENCE, World};
use crate::on_both;
use opsgram::chat::commands::Command;
use opsgram::sandbox::{Message, Standing, View};

/// The longest text that a person can send.
const LONGEST: usize = 4096;

/// A script with each kind of argument.
fn deploy(world: &mut World) {
    world.script(
        "deploy",
        r#"printf '<%s>\n' "$@""#,
        &[
            "description: Puts <b>a</b> & b into production",
            "args: [{name: service, choices: [api, web]}, {name: tag, pattern: 'v[0-9.]+', default: v1.0}, {name: note, optional: true, max_len: 20}]",
        ],
    );
}

/// Asks, and compares the whole answer.
async fn says(world: &World, person: i64, text: &str, answer: &str) {
    let told = world.asks(person, person, text).await;
    assert_eq!(told.text, answer, "to {text:?}");
}

on_both! {
    /// Each way to get an argument wrong is answered with which one, and what would be right.
    async fn a_wrong_argument_is_named_with_what_would_be_right(world) {
        deploy(&mut world);
        world.start().await;
        let form = "Write /run deploy <service: api or web> [tag, else v1.0] [note].";
        let cases = [
            ("/run deploy api v1 ok surplus", format!("“surplus” is one argument too many. {form}")),
            ("/run deploy service=api service=web", format!("“service” is given twice. {form}")),
            ("/run deploy foo", "“foo” is not a value for service. It can be api or web.".to_owned()),
            ("/run deploy ap", "“ap” is not a value for service. Did you mean api? It can be api or web.".to_owned()),
            ("/run deploy “<b>”", "“<b>” is not a value for service. It can be api or web.".to_owned()),
            ("/run deploy api 1.0", "“1.0” does not have the expected form for tag. The whole value must match v[0-9.]+".to_owned()),
            ("/run deploy api v1;reboot", "“v1;reboot” does not have the expected form for tag. The whole value must match v[0-9.]+".to_owned()),
            ("/run deploy --help", "“--help” for service starts with a dash, which this script does not take. Write a value without it.".to_owned()),
            ("/run deploy —help", "“--help” for service starts with a dash, which this script does not take. Write a value without it.".to_owned()),
            ("/run deploy api v1 -rf", "“-rf” for note starts with a dash, which this script does not take. Write a value without it.".to_owned()),
            ("/run deploy api v1 “two\nlines”", "The value of note holds a line break or a control character. Write it in one plain line.".to_owned()),
            ("/run deploy api v1 “a longer note than that”", "The value of note has 23 characters. At most 20 are taken.".to_owned()),
            ("/run deploy “api", "The quote “ is not closed: write it at both ends of the text, or leave it out.".to_owned()),
            ("/run deploy \"api", "The quote \" is not closed: write it at both ends of the text, or leave it out.".to_owned()),
            ("/stream deploy foo", "“foo” is not a value for service. It can be api or web.".to_owned()),
            ("/run deplyo", "There is no script “deplyo”. Did you mean deploy?".to_owned()),
            ("/run <i>x</i>", "There is no script “<i>x</i>”. /run shows those that you may run.".to_owned()),
            ("/stream nothing", "There is no script “nothing”. /run shows those that you may run.".to_owned()),
        ];
        for (text, answer) in cases {
            says(&world, BEN, text, &answer).await;
        }
        world.quiet().await;
        assert_eq!(world.jobs().await, 0, "a mistake runs nothing");
        world.polite();
    }
}

on_both! {
    /// What is typed on a phone arrives as meant: quotes, names, dashes, line breaks between words.
    async fn what_a_phone_writes_is_understood(world) {
        deploy(&mut world);
        world.set("jobs: {per_user: 9}");
        world.start().await;
        let cases = [
            ("/run deploy api", "<api>\n<v1.0>"),
            ("/RUN deploy   web\nv2", "<web>\n<v2>"),
            ("/run deploy web “v3” „it’s ok“", "<web>\n<v3>\n<it’s ok>"),
            ("/run deploy tag=v4 service=api", "<api>\n<v4>"),
            ("/run deploy api v5 note='$HOME `id`'", "<api>\n<v5>\n<$HOME `id`>"),
            ("/run deploy api v6 don’t", "<api>\n<v6>\n<don’t>"),
            ("/stream deploy api v7 \"<b>&\"", "<api>\n<v7>\n<<b>&>"),
        ];
        for (number, (text, printed)) in (1..).zip(cases) {
            world.say(BEN, text);
            world.sees(BEN, &format!("✅ deploy · #{number} ")).await;
            world.sees(BEN, printed).await;
        }
        world.quiet().await;
        assert_eq!(world.jobs().await, cases.len());
    }
}

on_both! {
    /// A typo is never met with silence.
    async fn a_typo_is_never_met_with_silence(world) {
        deploy(&mut world);
        world.start().await;
        let cases = [
            ("/rnu deploy", "There is no command /rnu. Did you mean /run?"),
            ("/jbos", "There is no command /jbos. Did you mean /jobs?"),
            ("/deploy", "There is no command /deploy. /help lists what there is."),
            ("/<b>x", "There is no command /<b>x. /help lists what there is."),
            ("/", "A command has a name after its slash. /help lists them."),
            ("/help nonsense", "There is no command /nonsense. /help lists what there is."),
            ("/help /jbo", "There is no command /jbo. Did you mean /job?"),
            ("hello there", "I understand commands. /help lists them."),
            ("/jobs faild", "“faild” is no script that ran and no filter. Did you mean failed?"),
            ("/job x", "“x” is not the number of a job. Write /job and a number, such as /job 12."),
            ("/job 0", "“0” is not the number of a job. Write /job and a number, such as /job 12."),
            ("/job -1", "“-1” is not the number of a job. Write /job and a number, such as /job 12."),
            ("/job 1 2", "“1 2” is not the number of a job. Write /job and a number, such as /job 12."),
            ("/job 99999999999999999999", "“99999999999999999999” is not the number of a job. Write /job and a number, such as /job 12."),
            ("/cancel <b>", "“<b>” is not the number of a job. Write /cancel and a number, such as /cancel 12."),
            ("/retry x", "“x” is not the number of a job. Write /retry and a number, such as /retry 12."),
            ("/job 7", "There is no job #7 that you may see. /jobs lists the newest."),
            ("/cancel #7", "There is no job #7 that you may see. /jobs lists the newest."),
            ("/retry 7", "There is no job #7 that you may see. /jobs lists the newest."),
            ("/output 7", "There is no job #7 that you may see. /jobs lists the newest."),
            ("/output 7 grep x", "There is no job #7 that you may see. /jobs lists the newest."),
            ("/output x", "“x” is not the number of a job. Write it as in /output 12, or /output grep error for all jobs."),
            ("/output 1 error", "“error” is not known here. Write /output 1, or add grep error, head 20, tail 20 or lines 100-150."),
            ("/output 1 grepping", "“grepping” is not known here. Write /output 1, or add grep error, head 20, tail 20 or lines 100-150."),
            ("/output 1 grep", "Write what to look for, as in /output 1 grep error."),
            ("/status moon", "There is no status of “moon”. Write /status for all, or /status cpu, mem, du, net or jobs for a part."),
        ];
        for (text, answer) in cases {
            says(&world, BEN, text, answer).await;
        }
        world.polite();
    }
}

on_both! {
    /// The longest text a person can send gets a short answer, whatever it is behind.
    async fn the_longest_texts_are_answered_in_short(world) {
        deploy(&mut world);
        world.start().await;
        let begins = [
            "", "/", "/run ", "/run deploy ", "/run deploy api v1 ", "/run deploy api v1 n ", "/run deploy note=", "/stream ",
            "/status ", "/jobs ", "/job ", "/cancel ", "/retry ", "/output ", "/output 1 ", "/output 1 grep ",
            "/help ", "/start ", "/whoami ", "/run “",
        ];
        for begin in begins {
            for filler in ['x', '<', '9', '🙂'] {
                let room = (LONGEST - begin.encode_utf16().count()) / filler.len_utf16();
                let text = format!("{begin}{}", filler.to_string().repeat(room));
                let told = world.asks(BEN, BEN, &text).await;
                let length = told.text.encode_utf16().count();
                assert!((1..600).contains(&length), "{begin}{filler}…: {length} units: {}", told.text);
            }
        }
        world.quiet().await;
        assert_eq!(world.jobs().await, 0);
        world.polite();
    }
}

on_both! {
    /// Markup in names is text: of persons, of groups' members, in arguments.
    async fn markup_in_names_is_text(world) {
        const EVE: i64 = 444;
        world.sandbox.add_person(EVE, "<b>Eve</b> & `co` _x_", None);
        world.sandbox.add_member(OPS, EVE, Standing::Member);
        world.people("
access:
  users:
    - {id: 444, name: '<b>Eve</b> & co', role: operator}
    - {id: 222, name: '</pre><i>Ben', role: operator}
  chats: [{id: -1001, name: '<ops>', role: operator}]
");
        world.script("ask", "echo '<b>&amp;</b>'; sleep 600", &["confirm: true"]);
        world.start().await;
        let hello = world.asks(EVE, EVE, "/start").await;
        assert!(hello.text.starts_with("Hello <b>Eve</b> & co. You are operator here."), "{}", hello.text);
        let asked = world.asks(EVE, OPS, "/run ask").await;
        world.presses(BEN, &asked, "Run").await;
        world.sees(OPS, "Only <b>Eve</b> & co can answer this.").await;
        world.presses(EVE, &asked, "Run").await;
        world.sees(OPS, "<b>&amp;</b>").await;
        world.asks(EVE, EVE, "/cancel 1").await;
        world.sees(OPS, "cancelled by <b>Eve</b> & co").await;
        let shown = world.asks(BEN, BEN, "/job 1").await;
        assert!(shown.text.contains("Asked by <b>Eve</b> & co at "), "{}", shown.text);
        world.people("access: {users: [{id: 222, name: ben, role: operator}]}\n");
        world.stop().await;
        world.start().await;
        let stranger = world.asks(EVE, EVE, "/whoami").await;
        assert!(stranger.text.starts_with("You: <b>Eve</b> & `co` _x_ 444"), "{}", stranger.text);
        let refused = world.asks(EVE, EVE, "/start").await;
        assert!(refused.text.starts_with("Hello <b>Eve</b> & `co` _x_."), "{}", refused.text);
        world.polite();
    }
}

/// The commands named at the beginning of a help's lines.
fn listed(help: &Message) -> Vec<String> {
    let lines = help.text.lines().filter_map(|line| line.strip_prefix('/'));
    let word = |line: &str| line.split_whitespace().next().map(str::to_owned);
    lines
        .filter(|line| line.contains('—'))
        .filter_map(word)
        .collect()
}

on_both! {
    /// The help, the greeting and the menu of each role hold what its router serves, and nothing else.
    async fn help_and_menus_show_each_role_its_own(world) {
        world.start().await;
        for person in [ANN, BEN, CLEO] {
            world.sandbox.open_private(person);
        }
        world.stop().await;
        world.start().await;
        for (person, role) in [(ANN, "owner"), (BEN, "operator"), (CLEO, "viewer")] {
            let role = opsgram::base::role::Role::parse(role).unwrap();
            let own: Vec<_> = Command::of(Some(role)).map(|c| c.about().name.to_owned()).collect();
            let help = world.asks(person, person, "/help all").await;
            assert_eq!(listed(&help), own, "{role}");
            let short = world.asks(person, person, "/help").await;
            assert!(short.text.lines().count() <= 22, "more than a phone shows: {}", short.text);
            for command in &own {
                let named = short.text.split_whitespace().any(|word| word == format!("/{command}"));
                assert!(named, "/{command} is missing: {}", short.text);
            }
            let scope = format!("chat:{person}");
            let menu = |view: &View<'_>| {
                let menu: Vec<_> = view.commands(&scope).iter().map(|e| e.command.clone()).collect();
                (!menu.is_empty()).then_some(menu)
            };
            let menu = world.sandbox.wait(PATIENCE, "a menu", menu).await.unwrap();
            assert_eq!(menu, own, "{role}");
            let start = world.asks(person, person, "/start").await;
            assert!(start.text.contains(&format!("You are {role} here.")), "{}", start.text);
            assert_eq!(start.text.contains("/cancel"), own.contains(&"cancel".to_owned()));
            for command in &own {
                let one = world.asks(person, person, &format!("/help {command}")).await;
                assert!(one.text.starts_with(&format!("/{command}")), "{}", one.text);
                assert!(one.text.contains("For example: /"), "{}", one.text);
                // Bare, each of them answers with something of use and no mistake.
                let bare = world.asks(person, person, &format!("/{command}")).await;
                assert!(!bare.text.contains("There is no"), "/{command}: {}", bare.text);
                if command == "selftest" {
                    // What it writes and removes meanwhile is not the answer to what follows.
                    world.quiet().await;
                }
            }
            if !own.contains(&"cancel".to_owned()) {
                says(&world, person, "/help cancel", "/cancel needs the role operator or higher. You are viewer here.").await;
            }
        }
        let everybody: Vec<_> = world.sandbox.commands("default").into_iter().map(|e| e.command).collect();
        assert_eq!(everybody, ["help", "whoami", "start"]);
        let group: Vec<_> = world.sandbox.commands("chat:-1001").into_iter().map(|e| e.command).collect();
        assert!(group.contains(&"run".to_owned()) && group.contains(&"cancel".to_owned()));
        world.polite();
    }
}

on_both! {
    /// With many scripts `/run` shows pages of eight, of those that the caller may run.
    async fn run_bare_pages_through_the_callers_scripts(world) {
        for number in 1..=19 {
            world.script(&format!("script-{number:02}"), "echo ran", &["description: Does <something>"]);
        }
        world.script("payroll", "echo sum", &["role: admin"]);
        world.start().await;
        let first = world.asks(BEN, BEN, "/run").await;
        assert!(first.text.starts_with("script-01 — Does <something>\nscript-02"), "{}", first.text);
        let labels = |message: &Message| -> Vec<String> {
            message.all_buttons().map(|button| button.text.clone()).collect()
        };
        assert_eq!(labels(&first).len(), 9);
        assert_eq!(labels(&first)[8], "More ›");
        world.presses(BEN, &first, "More ›").await;
        let second = world.sees(BEN, "script-09").await;
        assert_eq!(second.id, first.id);
        assert_eq!(labels(&second)[8..], ["‹ Back", "More ›"]);
        world.presses(BEN, &second, "More ›").await;
        let third = world.sees(BEN, "script-19").await;
        assert_eq!(labels(&third), ["script-17", "script-18", "script-19", "‹ Back"]);
        world.presses(BEN, &third, "script-19").await;
        world.sees(BEN, "✅ script-19 · #1").await;
        world.presses(BEN, &third, "‹ Back").await;
        world.sees(BEN, "script-16").await;
        let none = world.asks(CLEO, CLEO, "/run").await;
        assert_eq!(none.text, "No script is open to your role here; you may look at /jobs. An owner can change that.");
        says(&world, BEN, "/run payrol", "There is no script “payrol”. /run shows those that you may run.").await;
        let owner = world.asks(ANN, ANN, "/stream").await;
        assert!(labels(&owner).contains(&"payroll".to_owned()), "{:?}", labels(&owner));
        for page in world.sandbox.from_bot(BEN) {
            assert!(page.history.iter().all(|version| !version.text.contains("payroll")));
        }
        world.polite();
    }
}

on_both! {
    /// `/jobs` lists the newest by filter and page; each job can be opened from it.
    async fn jobs_are_filtered_and_paged(world) {
        world.script("good", "echo fine", &["concurrency: 8"]);
        world.script("bad", "echo broken; exit 3", &[]);
        world.set("jobs: {per_user: 64, max_queued: 100}");
        world.start().await;
        says(&world, BEN, "/jobs", "No job has run yet. /run starts one.").await;
        says(&world, BEN, "/jobs running", "No job is running or waiting.").await;
        says(&world, BEN, "/jobs failed", "No job has failed.").await;
        says(&world, BEN, "/jobs mine", "You have not run a job yet. /run starts one.").await;
        for number in 1..=25 {
            let (person, script) = if number % 5 == 0 { (ANN, "bad") } else { (BEN, "good") };
            world.asks(person, person, &format!("/run {script}")).await;
        }
        world.quiet().await;
        let numbers = |message: &Message| -> Vec<u32> {
            let number = |line: &str| line.split("· #").nth(1)?.split(' ').next()?.parse().ok();
            message.text.lines().filter_map(number).collect()
        };
        let watching = world.asks(CLEO, OPS, "/jobs").await;
        assert_eq!(numbers(&watching).len(), 10, "who looks sees what operators run");
        let first = world.asks(BEN, BEN, "/jobs").await;
        assert_eq!(numbers(&first), (16..=25).rev().collect::<Vec<_>>());
        assert!(first.text.contains("❌ bad · #25 · exit 3"), "{}", first.text);
        world.presses(BEN, &first, "Older ›").await;
        let second = world.sees(BEN, "#15 ").await;
        assert_eq!(numbers(&second), (6..=15).rev().collect::<Vec<_>>());
        world.presses(BEN, &second, "Older ›").await;
        let third = world.sees(BEN, "#5 ").await;
        assert_eq!(numbers(&third), (1..=5).rev().collect::<Vec<_>>());
        assert!(third.button("Older ›").is_none());
        world.presses(BEN, &third, "‹ Newer").await;
        world.sees(BEN, "#6 ").await;
        world.presses(BEN, &third, "Failed").await;
        let failed = world.sees(BEN, "#25 ").await;
        assert_eq!(numbers(&failed), [25, 20, 15, 10, 5]);
        let mine = world.asks(ANN, ANN, "/jobs mine").await;
        assert_eq!(numbers(&mine), [25, 20, 15, 10, 5]);
        let running = world.asks(ANN, ANN, "/jobs running").await;
        assert_eq!(running.text, "No job is running or waiting.");
        world.presses(BEN, &failed, "#25 bad").await;
        let one = world.sees(BEN, "Asked by ann at ").await;
        assert!(one.text.contains("broken"), "{}", one.text);
        assert!(one.button("Run again").is_some());
        world.polite();
    }
}

on_both! {
    /// `/output` gives the whole as a file, or the lines that hold a text, numbered and with their neighbours.
    async fn output_is_searched_or_given_whole(world) {
        world.script("log", "for i in $(seq 1 100); do echo \"line $i <b>&\"; done; echo 'Disk FULL'", &[]);
        world.script("silent", "true", &[]);
        world.start().await;
        world.say(BEN, "/run log");
        world.sees(BEN, "✅ log · #1").await;
        world.say(BEN, "/run silent");
        world.sees(BEN, "✅ silent · #2").await;
        world.quiet().await;
        let found = world.asks(BEN, BEN, "/output 1 grep line 50").await;
        assert_eq!(found.text, "One line of #1 with “line 50”:\n49- line 49 <b>&\n50: line 50 <b>&\n51- line 51 <b>&");
        let quoted = world.asks(BEN, BEN, "/output #1 grep “<b>&”").await;
        assert!(quoted.text.starts_with("100 lines of #1 with “<b>&”, the first of them:\n1: line 1 <b>&"), "{}", quoted.text);
        says(&world, BEN, "/output 1 grep nowhere", "Nothing in the output of #1 holds “nowhere”.").await;
        says(&world, BEN, "/output 2", "#2 has printed nothing.").await;
        let file = world.asks(BEN, BEN, "/output 1").await;
        let document = file.document.unwrap();
        assert_eq!(document.name, "log-1.log");
        assert!(document.bytes.ends_with(b"line 100 <b>&\nDisk FULL\n"));
        let which = world.asks(BEN, BEN, "/output").await;
        assert!(which.button("#1 log").is_some());
        world.polite();
    }
}

on_both! {
    /// `/status` shows all, or a part; a disk that cannot be read is told as such.
    async fn status_shows_all_or_a_part(world) {
        world.set("monitored_devices: [{name: '<root>', path: /}, {name: gone, path: /no/such/place}]");
        world.start().await;
        let all = world.asks(CLEO, CLEO, "/status").await;
        for part in ["Load ", "Memory ", "<root> ", "gone cannot be read: ", "up ", "No jobs are running."] {
            assert!(all.text.contains(part), "{part}: {}", all.text);
        }
        for (part, holds, lacks) in [
            ("cpu", "Load", "Memory"),
            ("mem", "Memory", "Load"),
            ("du", "<root>", "Load"),
            ("jobs", "No jobs are running.", "Load"),
            ("CPU", "Load", "Memory"),
        ] {
            let told = world.asks(CLEO, CLEO, &format!("/status {part}")).await;
            assert!(told.text.contains(holds) && !told.text.contains(lacks), "{part}: {}", told.text);
        }
        world.presses(CLEO, &all, "Refresh").await;
        world.presses(CLEO, &all, "Running jobs").await;
        let listed = world.sees(CLEO, "No job is running or waiting.").await;
        assert_eq!(listed.id, all.id);
        world.polite();
    }
}

on_both! {
    /// What cannot be done to a job is said, and why.
    async fn what_cannot_be_done_to_a_job_is_said(world) {
        world.script("hello", "echo Hello", &[]);
        world.script("long", "echo begun; exec sleep 600", &["on_busy: refuse"]);
        world.start().await;
        world.say(BEN, "/run hello");
        let card = world.sees(BEN, "✅ hello · #1").await;
        says(&world, BEN, "/cancel 1", "#1 has ended already. /job 1 shows how.").await;
        world.sandbox.press_forged(BEN, BEN, card.id, "cancel:1");
        world.quiet().await;
        assert_eq!(world.count(BEN, "#1 has ended already. /job 1 shows how."), 2);
        world.say(BEN, "/run long");
        let running = world.sees(BEN, "▶️ long · #2").await;
        says(&world, BEN, "/retry 2", "#2 has not ended yet.").await;
        says(
            &world, BEN, "/run long",
            "long is running already as #2, and it is set not to wait. Stop it with /cancel 2, or wait for its end.",
        ).await;
        let shown = world.asks(BEN, BEN, "/job 2").await;
        assert!(shown.text.contains("begun") && shown.button("Cancel").is_some(), "{}", shown.text);
        let so_far = world.asks(BEN, BEN, "/output 2").await;
        assert!(so_far.text.contains("so far"), "{}", so_far.text);
        world.presses(BEN, &running, "Cancel").await;
        world.sees(BEN, "🚫 long · #2 · cancelled by ben").await;
        world.asks(BEN, BEN, "/retry 1").await;
        world.sees(BEN, "✅ hello · #3").await;
        let again = world.asks(BEN, BEN, "/job 3").await;
        assert!(again.text.contains("repeating #1"), "{}", again.text);
        world.quiet().await;
        world.polite();
    }
}
