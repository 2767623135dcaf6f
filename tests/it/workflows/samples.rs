//! The workflows of `config/workflows`, run for real: against a git server, a TLS server and programs of this machine, with
//! stand-ins for what would change it or is not on it (the packages of the system, a shared terminal, other hosts).

use super::keeping::Hands;
use super::parts::serve_git;
use super::web::{Reply, Web};
use crate::harness::tools::{children, executable, free_port, lines, until};
use crate::harness::{ANN, BEN, CLEO, World};
use crate::on_both;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Copies one of the samples, with all scripts, to where the configuration looks for it. `changes` are what differs here.
fn sample(world: &mut World, name: &str, changes: &[(&str, &str)]) {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/workflows");
    let to = world.path().join("config/workflows");
    fs::create_dir_all(&to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let file = entry.unwrap().path();
        let is_script = file.extension().is_some_and(|end| end == "sh");
        if is_script {
            fs::copy(&file, to.join(file.file_name().unwrap())).unwrap();
        } else if file.file_stem().unwrap() == name {
            let mut text = fs::read_to_string(&file).unwrap();
            for (before, after) in changes {
                assert!(text.contains(before), "{before}");
                text = text.replace(before, after);
            }
            fs::write(to.join(file.file_name().unwrap()), text).unwrap();
        }
    }
    world.set("workflows_dir: config/workflows");
    let path = std::env::var("PATH").unwrap();
    world.variable("PATH", &format!("{}:{path}", bin(world).display()));
}

/// The folder of stand-ins, before all others.
fn bin(world: &World) -> PathBuf {
    let folder = world.path().join("bin");
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// Puts a program there.
fn stand_in(world: &World, name: &str, text: &str) {
    executable(&bin(world).join(name), text);
}

on_both! {
    /// Clones over the network, installs what lacks, shares a terminal whose address only its owner sees, holds five hours, and
    /// leaves nothing.
    async fn the_machine_for_a_while(world) {
        let here = world.path().display().to_string();
        let served = serve_git(&world, &[
            ("install.sh", &format!("[ -e {here}/tried ] || {{ touch {here}/tried; echo not yet; exit 1; }}\necho yes > {here}/installed\necho installed\n")),
            ("uninstall.sh", &format!("rm {here}/installed\n")),
        ]).await;
        let secret = "https://sshx.example/s/AbC123#key,writekey";
        sample(&mut world, "vps", &[
            // git's own TLS has no place here, nor has the system of whoever runs the tests.
            ("'https://.*'", "'git://.*'"),
            ("https://example.com/x.git", &format!("git://127.0.0.1:{}/site", served.port)),
            ("[./config/workflows/install-cloudflared.sh]", &format!("[./config/workflows/install-cloudflared.sh, {here}/root]")),
            ("backoff: 10s", "backoff: 1s"),
        ]);
        stand_in(&world, "sshx", &format!("#!/usr/bin/env python3\nimport time\nprint('  Link:  {secret}')\ntime.sleep(100000)\n"));
        stand_in(&world, "curl", "#!/bin/sh\nwhile [ \"$1\" != -o ]; do shift; done\necho key > \"$2\"\n");
        stand_in(&world, "sudo", "#!/bin/sh\nshift 2\nexec \"$@\"\n");
        stand_in(&world, "apt-get", &format!(
            "#!/bin/sh\necho \"$*\" >> {here}/apt\ncase $* in *install*) printf '#!/bin/sh\\necho cloudflared version 1\\n' > {here}/bin/cloudflared; chmod +x {here}/bin/cloudflared;; esac\n"
        ));
        let hands = Hands::default();
        world.start_at(hands.clock()).await;
        for run in [1, 2] {
            world.say(BEN, "/workflow run vps");
            let told = world.sees(BEN, secret).await;
            assert_eq!(told.chat, BEN);
            let card = world.sees(BEN, "⏳ hold").await;
            for words in ["✅ clone", "✅ install"] {
                assert!(card.text.contains(words), "{words}: {}", card.text);
            }
            // There the second time.
            let mark = if run == 1 { "✅ cloudflared" } else { "⏭ cloudflared" };
            assert!(card.text.contains(mark), "{}", card.text);
            assert!(world.path().join("installed").exists());
            assert!(!children(&world).is_empty());
            hands.pass(&world, Duration::from_secs(5 * 3600), run);
            let card = world.sees(BEN, &format!("vps · #{run} · succeeded")).await;
            assert!(!card.text.contains("writekey"), "{}", card.text);
            until("the terminal to be gone", || children(&world).is_empty()).await;
            assert!(!world.path().join("installed").exists());
            world.quiet().await;
        }
        assert_eq!(lines(&world.path().join("apt")).len(), 2, "updated and installed, once");
        let list = fs::read_to_string(world.path().join("root/etc/apt/sources.list.d/cloudflared.list")).unwrap();
        assert!(list.contains("signed-by=/usr/share/keyrings/cloudflare-main.gpg"), "{list}");
        let log = world.asks(BEN, BEN, "/workflow log 1 install").await;
        assert!(log.text.contains("installed"), "{}", log.text);
        let log = fs::read_to_string(world.path().join("data/logs/1.log")).unwrap();
        assert!(!log.contains("writekey"), "{log}");
    }
}

on_both! {
    /// A port is on the internet for an hour, and its address is told; then the tunnel is gone.
    async fn the_tunnel_to_a_port(world) {
        sample(&mut world, "tunnel", &[]);
        stand_in(&world, "cloudflared", "#!/bin/sh\n[ \"$1\" = tunnel ] || exit 0\necho \"INF |  https://quiet-moon-42.trycloudflare.com  |\" >&2\necho \"to $4\" >&2\nexec sleep 100000\n");
        let served = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = served.local_addr().unwrap().port();
        let hands = Hands::default();
        world.start_at(hands.clock()).await;
        world.say(BEN, &format!("/workflow run tunnel {port}"));
        world.sees(BEN, &format!("Port {port} is at https://quiet-moon-42.trycloudflare.com for an hour.")).await;
        world.sees(BEN, "⏳ open").await;
        let log = world.asks(BEN, BEN, "/workflow log 1 tunnel").await;
        assert!(log.text.contains(&format!("to http://127.0.0.1:{port}")), "{}", log.text);
        hands.pass(&world, Duration::from_secs(3600), 1);
        world.sees(BEN, "tunnel · #1 · succeeded").await;
        until("the tunnel to be gone", || children(&world).is_empty()).await;
    }
}

/// The archives, by name; and those that are bad.
fn archives(folder: &Path) -> (Vec<PathBuf>, usize) {
    let entries = fs::read_dir(folder).unwrap();
    let mut all: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    all.sort();
    let is = |path: &PathBuf, end: &str| path.to_str().unwrap().ends_with(end);
    let bad = all.iter().filter(|path| is(path, ".bad")).count();
    all.retain(|path| is(path, ".tar.gz"));
    (all, bad)
}

on_both! {
    /// A backup counts when it could be read again. One that was cut short while it was written, or rots after, fails the run, and
    /// never takes the place of a good one.
    async fn the_backup_that_is_read_again(world) {
        sample(&mut world, "backup", &[]);
        let (data, to) = (world.path().join("stuff"), world.path().join("saved"));
        fs::create_dir_all(data.join("sub")).unwrap();
        fs::write(data.join("a file"), "x".repeat(100_000)).unwrap();
        fs::write(data.join("sub/-odd"), "what matters\n").unwrap();
        let say = format!("/workflow run backup {} {} 2", data.display(), to.display());
        world.start().await;
        for run in 1..=3 {
            world.say(BEN, &say);
            let card = world.sees(BEN, &format!("backup · #{run} · succeeded")).await;
            assert!(card.text.contains("✅ verify"), "{}", card.text);
        }
        let (good, bad) = archives(&to);
        assert_eq!((good.len(), bad), (2, 0));
        let out = world.path().join("out");
        fs::create_dir(&out).unwrap();
        let done = Command::new("tar").arg("-xzf").arg(&good[1]).arg("-C").arg(&out).status();
        assert!(done.unwrap().success());
        assert_eq!(fs::read_to_string(out.join("sub/-odd")).unwrap(), "what matters\n");
        // The disk is full, and nobody says so.
        stand_in(&world, "tar", "#!/bin/bash\n/bin/tar \"$@\" || exit\n[ \"$1\" != -czf ] || truncate -s -20 \"$2\"\n");
        world.say(BEN, &say);
        world.sees(BEN, "backup · #4 · failed at verify").await;
        fs::remove_file(bin(&world).join("tar")).unwrap();
        // After its sum was taken, bytes turn: one alone might be what it was.
        stand_in(&world, "du", "#!/bin/bash\nprintf XXXXXXXX | dd of=\"${@: -1}\" bs=1 seek=30 conv=notrunc status=none\n");
        world.say(BEN, &say);
        let card = world.sees(BEN, "backup · #5 · failed at verify").await;
        assert!(card.text.contains("Log: verify") || card.button("Log: verify").is_some(), "{}", card.text);
        fs::remove_file(bin(&world).join("du")).unwrap();
        assert_eq!(archives(&to), (good.clone(), 2), "the good ones are still there");
        world.say(BEN, &say);
        world.sees(BEN, "backup · #6 · succeeded").await;
        let (now, bad) = archives(&to);
        assert_eq!((now.len(), bad, &now[0]), (2, 0, &good[1]));
    }
}

/// A server that shows this certificate; it ends with the test.
struct Tls(Child, u16);

impl Drop for Tls {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Tls {
    /// With a certificate for this name, which counts for so many days.
    async fn start(world: &World, name: &str, days: u32) -> Self {
        let path = |end: &str| world.path().join(format!("{name}-{days}.{end}"));
        let made = Command::new("openssl")
            .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes"])
            .args(["-subj", &format!("/CN={name}")])
            .args(["-addext", &format!("subjectAltName=DNS:{name}")])
            .args(["-days", &days.to_string()])
            .args(["-keyout".as_ref(), path("key").as_os_str()])
            .args(["-out".as_ref(), path("pem").as_os_str()])
            .stderr(Stdio::null())
            .status();
        assert!(made.unwrap().success());
        let port = free_port();
        let child = Command::new("openssl")
            .args(["s_server", "-quiet", "-www"])
            .args(["-accept", &format!("127.0.0.1:{port}")])
            .args(["-key".as_ref(), path("key").as_os_str()])
            .args(["-cert".as_ref(), path("pem").as_os_str()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let tls = Self(child, port);
        until("the TLS server", || {
            std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()
        })
        .await;
        tls
    }
}

on_both! {
    /// A certificate that counts long enough is told; one that ends soon, or is another server's, fails at once.
    async fn the_look_at_a_certificate(world) {
        sample(&mut world, "certificate", &[]);
        let soon = Tls::start(&world, "localhost", 5).await;
        let other = Tls::start(&world, "elsewhere.example", 90).await;
        world.start().await;
        world.say(BEN, &format!("/workflow run certificate localhost {} 3", soon.1));
        let told = world.sees(BEN, "The certificate of localhost counts until ").await;
        assert!(told.text.ends_with("GMT."), "{}", told.text);
        world.sees(BEN, "certificate · #1 · succeeded").await;
        world.say(BEN, &format!("/workflow run certificate localhost {} 14", soon.1));
        let card = world.sees(BEN, "certificate · #2 · failed at look: exit 3").await;
        assert!(!card.text.contains("try 2"), "{}", card.text);
        let log = world.asks(BEN, BEN, "/workflow log 2 look").await;
        assert!(log.text.contains("It counts for less than 14 days."), "{}", log.text);
        world.say(BEN, &format!("/workflow run certificate localhost {} 14", other.1));
        world.sees(BEN, "certificate · #3 · failed at look: exit 3").await;
        let log = world.asks(BEN, BEN, "/workflow log 3 look").await;
        assert!(log.text.contains("The certificate is not for localhost."), "{}", log.text);
        assert_eq!(world.count(BEN, "counts until"), 1);
    }
}

/// What a host runs.
fn version(world: &World, host: &str) -> String {
    fs::read_to_string(world.path().join(host).join("version")).unwrap()
}

on_both! {
    /// The second host follows when somebody else agreed, and keeps the version when somebody says that it holds; what nobody
    /// confirms, it loses again.
    async fn the_deploy_from_host_to_host(world) {
        let here = world.path().display().to_string();
        world.people("
access:
  users:
    - {id: 111, name: ann, role: owner}
    - {id: 222, name: ben, role: admin}
    - {id: 333, name: cleo, role: viewer}
");
        sample(&mut world, "rolling-deploy", &[]);
        // What it is told goes to a shell, as on a host, whose /opt/app is a folder here.
        stand_in(&world, "ssh", &format!(
            "#!/bin/bash\nwhile [ \"$1\" != -- ]; do shift; done\nhost=$2; shift 2\nwords=\"$*\"\nexec sh -c \"${{words//\\/opt\\/app/{here}/$host}}\"\n"
        ));
        for host in ["localhost", "127.0.0.1"] {
            let app = world.path().join(host);
            fs::create_dir(&app).unwrap();
            fs::write(app.join("version"), "v1.0.0").unwrap();
            fs::write(app.join("deploy"), "#!/bin/sh\nprintf %s \"$1\" > \"$(dirname \"$0\")/version\"\n").unwrap();
            fs::set_permissions(app.join("deploy"), fs::Permissions::from_mode(0o755)).unwrap();
        }
        let web = Web::start(|_, place| Reply::new(if place == "/health" { 200 } else { 500 }, "")).await;
        let port = web.url.rsplit_once(':').map(|(_, port)| port.to_owned()).unwrap();
        let hands = Hands::default();
        world.start_at(hands.clock()).await;
        world.asks(CLEO, CLEO, "/whoami").await;
        for (run, tag) in [(1, "v1.1.0"), (2, "v1.2.0")] {
            let asked = world.asks(ANN, ANN, &format!("/workflow run rolling-deploy {tag} localhost 127.0.0.1 http {port}")).await;
            world.presses(ANN, &asked, "Run").await;
            let asked = world.sees(ANN, &format!("#{run} · agree")).await;
            assert!(asked.text.contains("On to 127.0.0.1?"), "{}", asked.text);
            assert_ne!(version(&world, "127.0.0.1"), tag);
            assert_eq!(version(&world, "localhost"), tag);
            // Whoever started it has no button for that; whoever may is asked in private.
            assert!(asked.button("Approve").is_none(), "{asked:?}");
            let refused = world.asks(ANN, ANN, &format!("/workflow approve {run} agree")).await;
            assert!(refused.text.contains("started"), "{}", refused.text);
            world.asks(BEN, BEN, &format!("/workflow approve {run} agree")).await;
            let asked = world.sees(ANN, &format!("#{run} · second")).await;
            assert_eq!(version(&world, "127.0.0.1"), tag);
            if run == 1 {
                world.presses(ANN, &asked, "It works, keep it").await;
                world.sees(ANN, "v1.1.0 runs on localhost and 127.0.0.1.").await;
                world.sees(ANN, "rolling-deploy · #1 · succeeded").await;
            } else {
                hands.pass(&world, Duration::from_secs(15 * 60), run);
                world.sees(ANN, "rolling-deploy · #2 · failed").await;
            }
        }
        assert_eq!(version(&world, "127.0.0.1"), "v1.1.0", "it got its version back");
        assert_eq!(version(&world, "localhost"), "v1.2.0");
    }
}
