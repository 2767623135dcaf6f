//! Reads texts with places for values, and programs, and remembers which values they want.

use std::collections::BTreeMap;
use std::time::Duration;

use super::super::Paths;
use super::super::args::Arg;
use super::super::fault::{At, Report};
use super::super::map::Map;
use super::super::program::{check_program, find_in_path};
use super::super::read::{absolute, text, texts};
use super::super::scripts::variable_name;
use super::super::tree::{Node, Value};
use super::spellings::{self, How, Spelling};
use crate::base::workflow::{Source, Template, Values};

/// Where a value goes, which decides what it may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// Where it can be seen: an argument of a program, an address, a message.
    Seen,
    /// No further than the program or the server it is for: a variable, a header, a body.
    Hidden,
}

/// A value that is wanted somewhere.
#[derive(Clone, Debug)]
pub(super) struct Use {
    pub(super) source: Source,
    pub(super) at: At,
    pub(super) reach: Reach,
    /// Whether it is wanted after the step, so that what the step itself found is there.
    pub(super) after: bool,
}

/// A `{name}` as scripts have it, or the like, where the workflow has a parameter of that name: here it is plain text.
#[derive(Clone, Debug)]
pub(super) struct Braced {
    pub(super) name: String,
    /// As it is written, braces included.
    pub(super) written: String,
    pub(super) at: At,
    /// Whether it is told by something else that is wrong there.
    pub(super) told: bool,
}

/// What becomes of a bare program that is not there now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Absent {
    /// It is told: an earlier step has to install it.
    Told,
    /// Nothing: whether it is there is the question.
    Expected,
}

/// Reads what stands in one workflow.
pub(super) struct Reader<'r> {
    pub(super) paths: &'r Paths<'r>,
    pub(super) args: &'r [Arg],
    /// How long a step may take that does not say.
    pub(super) timeout: Duration,
    pub(super) report: &'r mut Report,
    uses: Vec<Use>,
    braced: Vec<Braced>,
}

impl<'r> Reader<'r> {
    pub(super) fn new(
        paths: &'r Paths<'r>,
        args: &'r [Arg],
        timeout: Duration,
        report: &'r mut Report,
    ) -> Self {
        Self {
            paths,
            args,
            timeout,
            report,
            uses: Vec::new(),
            braced: Vec::new(),
        }
    }

    /// The values that were wanted since this was last asked.
    pub(super) fn take_uses(&mut self) -> Vec<Use> {
        std::mem::take(&mut self.uses)
    }

    /// Every `{name}` that stands for nothing.
    pub(super) fn take_braced(&mut self) -> Vec<Braced> {
        std::mem::take(&mut self.braced)
    }

    /// The names in braces of this text are told by what is wrong with it.
    pub(super) fn braced_is_told(&mut self, at: &At) {
        for one in self.braced.iter_mut().filter(|one| one.at == *at) {
            one.told = true;
        }
    }

    /// A text with places, already known to be one.
    pub(super) fn parse(&mut self, written: &str, at: &At, reach: Reach) -> Option<Template> {
        let found = spellings::of(written);
        let template = match Template::parse(written) {
            Ok(template) => template,
            Err(wrong) => {
                self.misspelt(&found, wrong, at);
                return None;
            }
        };
        let wanted = template.sources().map(|source| Use {
            source: source.clone(),
            at: at.clone(),
            reach,
            after: false,
        });
        self.uses.extend(wanted);
        for one in found {
            match one.how {
                How::Dollar => {
                    let wrong = format!(
                        "`{}` leaves a $ in front of the value; write {{{{ {} }}}}",
                        one.written, one.inside
                    );
                    self.report.doubt(at, wrong);
                }
                How::Text => self.note(&one, at, false),
                How::Place => {}
            }
        }
        Some(template)
    }

    /// Tells a text whose places mean nothing; who leaves `params.` out is told to write it.
    fn misspelt(&mut self, found: &[Spelling<'_>], wrong: String, at: &At) {
        let is_param =
            |one: &&Spelling| self.args.iter().any(|arg| arg.name.as_str() == one.inside);
        let bare = found
            .iter()
            .filter(|one| one.how != How::Text)
            .find(is_param);
        let wrong = match bare {
            Some(one) => format!(
                "`{}` names no value; write {{{{ params.{} }}}} for the parameter",
                one.written, one.inside
            ),
            None => wrong,
        };
        self.report.fault(at, wrong);
        for one in found {
            self.note(one, at, true);
        }
    }

    /// Notes what names a parameter and is no place for its value.
    fn note(&mut self, one: &Spelling<'_>, at: &At, told: bool) {
        let named = one.inside.strip_prefix("params.").unwrap_or(one.inside);
        if self.args.iter().any(|arg| arg.name.as_str() == named) {
            self.braced.push(Braced {
                name: named.to_owned(),
                written: one.written.to_owned(),
                at: at.clone(),
                told,
            });
        }
    }

    /// A single value with places.
    pub(super) fn template(&mut self, node: &Node, name: &str, reach: Reach) -> Option<Template> {
        let written = text(node, name, self.report)?;
        self.parse(written, &node.at, reach)
    }

    /// A single value with places that must not be empty; `what` says what to write.
    pub(super) fn filled(&mut self, node: &Node, name: &str, what: &str) -> Option<Template> {
        let template = self.template(node, name, Reach::Seen)?;
        let empty = template
            .as_literal()
            .is_some_and(|text| text.trim().is_empty());
        if empty {
            let wrong = format!("`{name}` is empty; write {what}");
            self.report.fault(&node.at, wrong);
        }
        (!empty).then_some(template)
    }

    /// The value of a key, with places.
    pub(super) fn key(
        &mut self,
        map: &mut Map<'_>,
        key: &'static str,
        reach: Reach,
    ) -> Option<Template> {
        let node = map.get(key)?;
        self.template(node, &map.name(key), reach)
    }

    /// The value of a key that must be there, with places.
    pub(super) fn required(&mut self, map: &mut Map<'_>, key: &'static str) -> Option<Template> {
        if map.get(key).is_none() {
            map.missing(key, self.report);
        }
        self.key(map, key, Reach::Seen)
    }

    /// Free keys with values that have places.
    pub(super) fn named(
        &mut self,
        map: &mut Map<'_>,
        key: &'static str,
        reach: Reach,
    ) -> BTreeMap<String, Template> {
        let Some(free) = map.section(key, self.report) else {
            return BTreeMap::new();
        };
        let mut found = BTreeMap::new();
        for entry in free.entries() {
            if let Some(value) = self.template(&entry.node, &free.name(&entry.key), reach) {
                found.insert(entry.key.clone(), value);
            }
        }
        found
    }

    /// Variables that are set for programs.
    pub(super) fn env(&mut self, map: &mut Map<'_>) -> BTreeMap<String, Template> {
        if let Some(Value::Map(entries)) = map.get("env").map(|node| &node.value) {
            for entry in entries {
                variable_name(&entry.key, &entry.at, self.report);
            }
        }
        self.named(map, "env", Reach::Hidden)
    }

    /// The folder of programs: one that is there, or one below the run's.
    pub(super) fn cwd(&mut self, map: &mut Map<'_>) -> Option<Template> {
        let node = map.optional("cwd")?;
        let template = self.template(node, &map.name("cwd"), Reach::Seen)?;
        let written = template.beginning();
        if written.starts_with('/') {
            if let Some(whole) = template.as_literal()
                && !std::path::Path::new(whole).is_dir()
            {
                let wrong = format!(
                    "the working directory {whole} does not exist; create it, or name one below the run's own folder, such as `repo`"
                );
                self.report.fault(&node.at, wrong);
            }
        } else {
            self.below(&template, &map.name("cwd"), &node.at);
        }
        Some(template)
    }

    /// Refuses a path that leads out of the run's folder.
    pub(super) fn below(&mut self, path: &Template, name: &str, at: &At) {
        let written = path.show(&Values::default());
        let out = written.split('/').any(|part| part == "..");
        if out || path.beginning().starts_with('/') {
            let wrong = format!(
                "`{name}` is `{written}`, which is not below the run's folder; write a path such as `repo`"
            );
            self.report.fault(at, wrong);
        }
    }

    /// The argv under a key: the program first, then one element each; or a path alone.
    pub(super) fn argv(
        &mut self,
        map: &mut Map<'_>,
        key: &'static str,
        absent: Absent,
    ) -> Option<Vec<Template>> {
        let node = map.get(key)?;
        let name = map.name(key);
        let elements = match &node.value {
            Value::Seq(_) => texts(node, &name, self.report),
            Value::Null | Value::Scalar { .. } | Value::Map(_) => {
                vec![(text(node, &name, self.report)?, &node.at)]
            }
        };
        let Some(((first, first_at), rest)) = elements.split_first() else {
            let wrong =
                format!("`{name}` is empty; write a path, or a list that starts with a program");
            self.report.fault(&node.at, wrong);
            return None;
        };
        let mut argv = vec![self.program(first, first_at, absent)];
        for (element, at) in rest {
            argv.push(self.parse(element, at, Reach::Seen));
        }
        argv.into_iter().collect()
    }

    /// The same for a program that is wanted after the step: what that found itself is there by then.
    pub(super) fn undo(&mut self, map: &mut Map<'_>) -> Option<Vec<Template>> {
        let before = self.uses.len();
        let argv = self.argv(map, "undo", Absent::Told);
        for one in &mut self.uses[before..] {
            one.after = true;
        }
        argv
    }

    fn program(&mut self, written: &str, at: &At, absent: Absent) -> Option<Template> {
        let template = self.parse(written, at, Reach::Seen)?;
        let Some(name) = template.as_literal() else {
            let sources: Vec<&Source> = template.sources().collect();
            let good = template.beginning().is_empty()
                && sources == [&Source::Run("dir".to_owned())]
                && !template.show(&Values::default()).contains("..");
            if !good {
                self.report.fault(
                    at,
                    "the program itself cannot hold places; write its path, or one below the run's folder: {{ run.dir }}/repo/build.sh",
                );
            }
            return good.then_some(template);
        };
        if name.contains('/') {
            let path = absolute(self.paths.base, name);
            if let Err(wrong) = check_program(&path) {
                let hint = match path.exists() {
                    true => "",
                    false if name.contains(' ') => {
                        "; a text is one path, so write options as a list: [./script.sh, --option]"
                    }
                    false => {
                        "; for a program in the run's folder, write {{ run.dir }} in front of its path"
                    }
                };
                self.report.fault(at, format!("{wrong}{hint}"));
                return None;
            }
            let Some(path) = path.to_str() else {
                self.report
                    .fault(at, "the path is not UTF-8; rename the folder");
                return None;
            };
            return Some(Template::literal(path));
        }
        if name.is_empty() || name.contains(char::is_whitespace) {
            let wrong = format!(
                "`{name}` is no program; a text is one program, so write options as a list: [program, --option]"
            );
            self.report.fault(at, wrong);
            return None;
        }
        match find_in_path(name, self.paths.env.get("PATH").unwrap_or_default()) {
            Some(path) => {
                if let Err(wrong) = check_program(&path) {
                    self.report.fault(at, wrong);
                }
            }
            None if absent == Absent::Expected => {}
            None => {
                let hint = match self.paths.base.join(name).is_file() {
                    true => format!(
                        "for the file in {}, write ./{name}",
                        self.paths.base.display()
                    ),
                    false => "the step fails unless an earlier one installs it; or write a path"
                        .to_owned(),
                };
                self.report
                    .warn(at, format!("`{name}` is not found in PATH; {hint}"));
            }
        }
        Some(template)
    }
}
