//! `opsgram init`: asks for the token, learns who the owner is, and writes a configuration that works.

mod owner;
mod sample;

use super::cli::{Outcome, runtime};
use crate::base::ids::UserId;
use crate::base::secret::{ExposeSecret, SecretString};
use crate::config::{self, Env, Telegram};
use crate::delivery::clients::{self, why};
use crate::drivers::file::{self, Worth};
use anyhow::{Context, Result, bail};
use nix::unistd::{Gid, Uid, chown};
use sample::Values;
use std::fs::{self, DirBuilder};
use std::io::{BufRead, IsTerminal, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use teloxide::prelude::Requester;
use teloxide::types::Me;
use teloxide::{ApiError, RequestError};

/// The configuration's name in its folder.
const CONFIG: &str = "opsgram.yaml";
/// The token's name in it.
const TOKEN: &str = "telegram-token";
/// The folder of an installed bot's configuration.
const INSTALLED: &str = "/etc/opsgram";
/// The folder of its state.
const STATE: &str = "/var/lib/opsgram";
/// Telegram's ids fit 52 bits.
const MAX_ID: i64 = 1 << 52;
/// How often a mistyped token is asked for again.
const TRIES: usize = 3;

/// What is not to be asked.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Where the configuration and the token are written; without it where `serve` looks: config, or /etc/opsgram on a
    /// machine on which the bot is installed.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Take the token from this file instead of asking for it.
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// The Telegram id of the owner, instead of waiting for a message.
    #[arg(long, value_name = "ID", value_parser = owner_id)]
    owner: Option<i64>,
    /// The name of the owner, with --owner.
    #[arg(long, value_name = "NAME", requires = "owner")]
    name: Option<String>,
    /// Where the bot keeps its state; without it the folder data, or /var/lib/opsgram for /etc/opsgram.
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// A proxy for every call: http://, https://, socks5:// or socks5h://.
    #[arg(long, value_name = "URL")]
    proxy: Option<String>,
    /// Replace a configuration that is there; it is kept as opsgram.yaml.old.
    #[arg(long)]
    force: bool,
}

fn owner_id(written: &str) -> Result<i64, &'static str> {
    let id = written.parse().ok().filter(|id| (1..MAX_ID).contains(id));
    id.ok_or("an id is a number, such as 111")
}

/// Sets the bot up.
pub(super) fn run(args: Args, env: &Env) -> Result<Outcome> {
    let usual = config::default_path(env);
    let dir = args.dir.as_deref().or(usual.parent());
    let dir = std::path::absolute(dir.unwrap_or(Path::new("."))).context("finding the folder")?;
    let installed = dir == Path::new(INSTALLED);
    let data_dir = args.data_dir.as_deref();
    let data_dir = data_dir.or(installed.then_some(Path::new(STATE)));
    let target = dir.join(CONFIG);
    let replaces = target.exists() && !sample::is_untouched(&target);
    if replaces && !args.force {
        let question = format!(
            "{} is there already. Replace it? It is kept as {CONFIG}.old",
            target.display()
        );
        if !can_ask() {
            bail!(
                "{} is there already; --force replaces it and keeps it as {CONFIG}.old",
                target.display()
            );
        }
        if !yes(&question)? {
            println!("Nothing was changed.");
            return Ok(Outcome::Failed);
        }
    }
    let done = runtime()?.block_on(async {
        let (telegram, me) = verified(&args, env, &dir).await?;
        println!("The token is @{}'s.", me.username());
        let owner = match args.owner {
            Some(id) => owner::Owner {
                id: UserId(id),
                name: args.name.clone().unwrap_or_else(|| id.to_string()),
            },
            None if can_ask() => owner::wait(&telegram, me.username()).await?,
            None => bail!("nobody can be asked who the owner is here; name the id with --owner"),
        };
        anyhow::Ok((telegram, owner))
    });
    let (telegram, owner) = done?;
    let values = Values {
        owner: &owner,
        token_file: &dir.join(TOKEN),
        data_dir,
        proxy: args.proxy.as_deref(),
        api_url: env.get("OPSGRAM_TELEGRAM_API_URL"),
    };
    write(&dir, &values, &telegram, replaces)?;
    next_steps(&dir, &target, env)
}

/// Whether there is somebody at a terminal.
fn can_ask() -> bool {
    std::io::stdin().is_terminal()
}

/// Asks a question; anything but a yes is a no.
fn yes(question: &str) -> Result<bool> {
    print!("{question} [y/N] ");
    std::io::stdout().flush()?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}

/// How Telegram is reached, with a token that it knows, and whose it is.
async fn verified(args: &Args, env: &Env, dir: &Path) -> Result<(Telegram, Me)> {
    let given = given(args, env, dir)?;
    let asked = given.is_none();
    let mut token = given;
    for left in (0..TRIES).rev() {
        let token = match token.take() {
            Some(token) => token,
            None => ask_for_token()?,
        };
        let telegram = reach(args, env, token)?;
        let wrong = match &telegram.token {
            None => "that is not a bot token; it looks like 123456:ABC…".to_owned(),
            Some(_) => match clients::make(&telegram)?.quick.get_me().await {
                Ok(me) => return Ok((telegram, me)),
                Err(RequestError::Api(ApiError::InvalidToken)) => {
                    "Telegram does not know this token; ask @BotFather for it with /token"
                        .to_owned()
                }
                Err(error) => {
                    bail!(
                        "Telegram cannot be reached: {}; see to the network, and name a proxy with --proxy if it needs one",
                        why(&error, &telegram)
                    );
                }
            },
        };
        if !asked || left == 0 {
            bail!(wrong);
        }
        println!("{wrong}.");
    }
    bail!("no token")
}

/// The token from a file, the environment, or an earlier run.
fn given(args: &Args, env: &Env, dir: &Path) -> Result<Option<SecretString>> {
    let read = |path: &Path| -> Result<SecretString> {
        let text = fs::read_to_string(path)
            .with_context(|| format!("reading the token from {}", path.display()))?;
        Ok(SecretString::from(text.trim()))
    };
    if let Some(path) = &args.token_file {
        return read(path).map(Some);
    }
    if let Some(token) = env.get("OPSGRAM_TELEGRAM_TOKEN") {
        return Ok(Some(SecretString::from(token.trim())));
    }
    if let Some(path) = env.get("OPSGRAM_TELEGRAM_TOKEN_FILE") {
        return read(Path::new(path)).map(Some);
    }
    if can_ask() {
        return Ok(None);
    }
    let earlier = dir.join(TOKEN);
    match fs::metadata(&earlier) {
        Ok(meta) if meta.len() > 0 => read(&earlier).map(Some),
        Ok(_) | Err(_) => bail!(
            "nobody can be asked for the token here; name a file that holds it with --token-file"
        ),
    }
}

fn ask_for_token() -> Result<SecretString> {
    println!(
        "The bot's token, which @BotFather gives you for /newbot. It is not shown while you type."
    );
    let typed = rpassword::prompt_password("Token: ").context("reading the token")?;
    Ok(SecretString::from(typed.trim()))
}

/// The settings that `serve` will have, read by the same rules; without a token when it has not the right form.
fn reach(args: &Args, env: &Env, token: SecretString) -> Result<Telegram> {
    let scratch = tempfile::tempdir().context("making a temporary folder")?;
    let file = scratch.path().join(CONFIG);
    fs::write(&file, "{}\n")?;
    let mut own = Env::default();
    for name in ["OPSGRAM_TELEGRAM_API_URL", "OPSGRAM_TELEGRAM_PROXY"] {
        if let Some(value) = env.get(name) {
            own.set(name, value);
        }
    }
    if let Some(proxy) = &args.proxy {
        own.set("OPSGRAM_TELEGRAM_PROXY", proxy);
    }
    let mut telegram = config::load(&file, &own)
        .map_err(|faults| anyhow::anyhow!("{faults}"))?
        .config
        .telegram;
    if config::is_token(token.expose_secret()) {
        telegram.token = Some(token);
    }
    Ok(telegram)
}

/// Writes the token, the sample scripts, and at last the configuration.
fn write(dir: &Path, values: &Values<'_>, telegram: &Telegram, replaces: bool) -> Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o750)
        .create(dir)
        .with_context(|| format!("making the folder {}", dir.display()))?;
    let token = telegram.token.as_ref().context("there is no token")?;
    let line = format!("{}\n", token.expose_secret());
    put(values.token_file, line.as_bytes(), 0o600)?;
    for (path, text) in sample::scripts(dir) {
        let folder = path.parent().unwrap_or(dir);
        DirBuilder::new()
            .recursive(true)
            .mode(0o755)
            .create(folder)?;
        match file::make(&path, text.as_bytes(), 0o755) {
            Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
                return Err(error).with_context(|| format!("writing {}", path.display()));
            }
            Ok(()) | Err(_) => {}
        }
    }
    let target = dir.join(CONFIG);
    let old = dir.join(format!("{CONFIG}.old"));
    if replaces {
        let kept = fs::read(&target).with_context(|| format!("reading {}", target.display()))?;
        put(&old, &kept, 0o600)?;
    }
    let text = sample::filled(values)?;
    // The service runs as a user of its own: on an installed machine the folder has its group.
    let group = fs::metadata(dir)?.gid();
    let shared = Uid::effective().is_root() && group != 0;
    put(&target, text.as_bytes(), if shared { 0o640 } else { 0o600 })?;
    if shared {
        chown(&target, None, Some(Gid::from_raw(group)))
            .with_context(|| format!("giving {} to the service", target.display()))?;
    }
    Ok(())
}

fn put(path: &Path, content: &[u8], mode: u32) -> Result<()> {
    file::replace(path, content, mode, Worth::Kept)
        .with_context(|| format!("writing {}", path.display()))
}

fn next_steps(dir: &Path, target: &Path, env: &Env) -> Result<Outcome> {
    println!("\nWritten:");
    println!("  {}  what may be run, and by whom", target.display());
    println!("  {}  the token; keep it secret", dir.join(TOKEN).display());
    if let Err(faults) = config::load(target, env) {
        eprintln!("{faults}");
        println!("\nMend these, then start the bot.");
        return Ok(Outcome::Fault);
    }
    let default = std::path::absolute(config::default_path(env))?;
    let named = match default == target {
        true => String::new(),
        false => format!(" --config {}", target.display()),
    };
    println!("\nNext:");
    println!("  opsgram check{named}");
    match dir == Path::new(INSTALLED) {
        true => println!("  systemctl enable --now opsgram"),
        false => println!("  opsgram serve{named}"),
    }
    println!("Then send your bot /help.");
    Ok(Outcome::Done)
}
