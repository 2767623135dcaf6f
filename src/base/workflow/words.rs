//! What a step does, in a line for people; and the places in it that take values.

use super::{Source, Step, Template, Until, Values, Work, Workflow};
use crate::base::time::human;

/// The program and its arguments as one line; what a person could mistake for two words stands in quotes.
#[must_use]
pub fn line(argv: &[Template], values: &Values) -> String {
    let word = |element: &Template| {
        let text = element.show(values);
        match text.is_empty() || text.contains(|c: char| c.is_whitespace() || c == '\'' || c == '"')
        {
            true => format!("{text:?}"),
            false => text,
        }
    };
    argv.iter().map(word).collect::<Vec<_>>().join(" ")
}

impl Work {
    /// What it does, in one line; what is not known yet stays as it was written.
    #[must_use]
    pub fn words(&self, values: &Values) -> String {
        let show = |template: &Template| template.show(values);
        match self {
            Work::Run { argv } => line(argv, values),
            Work::Service { argv } => format!("{} (goes on until the end)", line(argv, values)),
            Work::Script { script, given } => format!("script {script} {}", line(given, values))
                .trim_end()
                .to_owned(),
            Work::Git {
                url, branch, dir, ..
            } => {
                let branch = branch.as_ref().map(|branch| format!(", {}", show(branch)));
                format!(
                    "git {}{} into {}",
                    show(url),
                    branch.unwrap_or_default(),
                    show(dir)
                )
            }
            Work::Http { method, url, .. } => format!("{method} {}", show(url)),
            Work::Hold { length } => format!("hold {}", human(*length)),
            Work::WaitFor { until, .. } => match until {
                Until::Url(url, _) => format!("wait for {}", show(url)),
                Until::Tcp(address) => format!("wait for {}", show(address)),
                Until::File(path) => format!("wait for the file {}", show(path)),
                Until::Command(argv) => format!("wait for {}", line(argv, values)),
            },
            Work::Approve { question, role, .. } => match question {
                Some(question) => format!("ask ({role}): {}", show(question)),
                None => format!("ask ({role})"),
            },
            Work::Call {
                workflow, given, ..
            } => {
                let given = given
                    .iter()
                    .map(|(name, value)| format!(" {name}={}", show(value)));
                format!("workflow {workflow}{}", given.collect::<String>())
            }
            Work::Notify { text } => format!("tell: {}", show(text)),
            Work::Github {
                repo,
                workflow,
                branch,
                ..
            } => {
                format!(
                    "GitHub {} {} on {}",
                    show(repo),
                    show(workflow),
                    show(branch)
                )
            }
        }
    }

    fn templates_mut(&mut self) -> Vec<&mut Template> {
        match self {
            Work::Run { argv } | Work::Service { argv } => argv.iter_mut().collect(),
            Work::Script { script: _, given } => given.iter_mut().collect(),
            Work::Git {
                url,
                branch,
                depth: _,
                dir,
                token: _,
            } => [url, dir].into_iter().chain(branch).collect(),
            Work::Http {
                method: _,
                url,
                headers,
                body,
                expect: _,
                json: _,
            } => {
                let head = std::iter::once(url).chain(headers.values_mut());
                head.chain(body).collect()
            }
            Work::Hold { length: _ } => Vec::new(),
            Work::WaitFor { until, every: _ } => match until {
                Until::Url(text, _) | Until::Tcp(text) | Until::File(text) => vec![text],
                Until::Command(argv) => argv.iter_mut().collect(),
            },
            Work::Approve {
                question,
                role: _,
                by_asker: _,
            } => question.iter_mut().collect(),
            Work::Call {
                workflow: _,
                params: _,
                given,
            } => given.values_mut().collect(),
            Work::Notify { text } => vec![text],
            Work::Github {
                repo,
                workflow,
                branch,
                inputs,
                token: _,
                wait: _,
                keep: _,
                api: _,
            } => [repo, workflow, branch]
                .into_iter()
                .chain(inputs.values_mut())
                .collect(),
        }
    }
}

impl Step {
    /// The values that it takes.
    #[must_use]
    pub fn sources(&self) -> Vec<Source> {
        let mut step = self.clone();
        let templates = step.templates_mut();
        let sources = templates.iter().flat_map(|template| template.sources());
        sources.cloned().collect()
    }

    /// Every text in it that takes values.
    pub fn templates_mut(&mut self) -> Vec<&mut Template> {
        let Step {
            work,
            when,
            skip_if,
            undo,
            cwd,
            env,
            ..
        } = self;
        let sides = when
            .iter_mut()
            .flat_map(|when| [&mut when.left, &mut when.right]);
        let argv = skip_if.iter_mut().chain(undo).flatten();
        let mut all = work.templates_mut();
        all.extend(sides.chain(argv).chain(cwd).chain(env.values_mut()));
        all
    }
}

impl Step {
    /// Its name and what it does; one that is called `tell` or `ask` needs no second word for it.
    #[must_use]
    pub fn tell(&self, values: &Values) -> String {
        let (does, name) = (self.work.words(values), format!("{}: ", self.name));
        match does.starts_with(&name) {
            true => does,
            false => format!("{name}{does}"),
        }
    }
}

impl Workflow {
    /// What it does, a line for each step; what is not known yet stays as it was written.
    #[must_use]
    pub fn outline(&self, values: &Values) -> Vec<String> {
        let tell = |step: &Step| step.tell(values);
        let last = self
            .always
            .iter()
            .map(|step| format!("at the end, {}", tell(step)));
        self.steps.iter().map(tell).chain(last).collect()
    }
}
