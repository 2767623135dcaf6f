//! Brings a folder of the run to the state of a git repository.

use super::output::Printer;
use super::{End, Hand, Inner, broken, program};
use crate::base::job::Ending;
use crate::base::secret::SecretString;
use crate::base::workflow::{Template, Work};
use crate::drivers::git::{self, Failed, How, Wanted};
use std::collections::BTreeMap;
use std::time::Duration;

/// Time between TERM and KILL.
const GRACE: Duration = Duration::from_secs(5);

pub(super) async fn bring(inner: &Inner, hand: &Hand) -> End {
    let (wanted, how) = match asked(inner, hand) {
        Ok(asked) => asked,
        Err(why) => return broken(why),
    };
    let mut printer = match Printer::new(hand, &[]) {
        Ok(printer) => printer,
        Err(why) => return broken(why),
    };
    let mut sink = |bytes: &[u8]| printer.write(bytes);
    let brought = git::bring(&wanted, &how, &hand.stop, &mut sink).await;
    let ended = match brought {
        Ok(state) => {
            printer.say(&format!("at {}", state.commit));
            let found = BTreeMap::from([("commit".to_owned(), state.commit)]);
            End::Over(Ending::Exited(0), found)
        }
        Err(Failed::Cancelled) => End::Stopped,
        Err(Failed::TimedOut(_)) => End::Over(Ending::TimedOut(hand.step.timeout), BTreeMap::new()),
        Err(failed @ (Failed::Wrong(_) | Failed::Broken(_) | Failed::Exited { .. })) => {
            broken(failed.to_string().trim_end_matches('.'))
        }
    };
    printer.finish();
    ended
}

fn asked(inner: &Inner, hand: &Hand) -> Result<(Wanted, How), String> {
    let Work::Git {
        url,
        branch,
        depth,
        dir,
        token,
    } = &hand.step.work
    else {
        return Err("no repository is named".to_owned());
    };
    let fill = |template: &Template| template.fill(&hand.values);
    let wanted = Wanted {
        url: fill(url)?,
        branch: branch.as_ref().map(fill).transpose()?,
        depth: *depth,
        dir: program::folder(hand)?.join(dir.fill_path(&hand.values)?),
        local: inner.local,
    };
    let token = token.as_deref().map(|name| {
        let value = inner.env.get(name);
        let value = value.ok_or_else(|| format!("{name} is not in the bot's environment"))?;
        Ok::<_, String>(SecretString::from(value.to_owned()))
    });
    let how = How {
        env: program::environment(inner, hand)?,
        token: token.transpose()?,
        marker: hand.marker.clone(),
        timeout: hand.step.timeout,
        grace: GRACE,
    };
    Ok((wanted, how))
}
