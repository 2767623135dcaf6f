//! Runs the fixes that rules start by themselves, as jobs like any other.

use crate::access::{Access, Asked};
use crate::actions::script::{self, Scripts};
use crate::base::error::Error;
use crate::base::job::OutputMode;
use crate::base::upload::Uploads;
use crate::config::Live;
use crate::jobs::{Jobs, Origin};
use crate::monitors::incidents::{Fixer, Shows};
use futures::FutureExt;
use futures::future::BoxFuture;

/// Under this name fixes stand in the trail and on their cards.
const NAME: &str = "the rules";

/// Makes jobs of fixes.
pub(super) struct Fixes {
    pub live: Live,
    pub access: Access,
    pub scripts: Scripts,
    pub jobs: Jobs,
}

impl Fixer for Fixes {
    fn run<'a>(
        &'a self,
        name: &'a str,
        source: String,
        shown: Shows,
    ) -> BoxFuture<'a, Result<(), String>> {
        async move {
            let config = self.live.current();
            let Some(script) = script::find(&config, name) else {
                return Err(format!("There is no script “{name}”."));
            };
            let asked = Asked {
                arguments: "by itself".to_owned(),
                ..Asked::new("script.run", script.name.as_str(), script.role)
            };
            let grant = self.access.by_itself(NAME, shown.place, asked);
            let origin = Origin {
                source,
                reply_to: shown.answers,
                card: None,
                update: None,
            };
            let submitted = async {
                let mut job = self.scripts.job(script, &[], &Uploads::new(), None, None)?;
                if shown.quietly {
                    job.output = OutputMode::Silent;
                }
                self.jobs.submit(&grant, job, origin).await
            };
            match submitted.await {
                Ok(_) => Ok(()),
                Err(Error::Refused(refusal)) => Err(refusal.words().to_owned()),
                Err(Error::Internal(error)) => {
                    tracing::error!(
                        error = format!("{error:#}"),
                        script = name,
                        "a fix could not be started"
                    );
                    Err("My database did not take it; the log says more.".to_owned())
                }
            }
        }
        .boxed()
    }
}
