//! Secrets masked in what programs print, also when a read cuts one in two.

use crate::base::secret::MASK;
use aho_corasick::{AhoCorasick, Input, MatchKind};
use std::borrow::Cow;

/// The shortest text that is taken for a secret, in bytes; shorter ones would mask ordinary words.
pub const MIN_SECRET_BYTES: usize = 4;
/// The shortest line of a secret of several lines that is masked on its own, in bytes.
pub const MIN_LINE_BYTES: usize = 8;

/// Masks secrets in a stream of bytes. It keeps back only what may turn out to be the beginning of a secret.
#[derive(Clone)]
pub struct Redactor {
    secrets: Vec<Vec<u8>>,
    /// `None` when there is nothing to mask.
    finder: Option<AhoCorasick>,
    held: Vec<u8>,
}

impl Redactor {
    /// Masks each of these secrets (from [`MIN_SECRET_BYTES`] on), and of a secret with several lines also each line; the longest that starts first wins.
    #[must_use]
    pub fn new<'a>(secrets: impl IntoIterator<Item = &'a str>) -> Self {
        let mut redactor = Self {
            secrets: Vec::new(),
            finder: None,
            held: Vec::new(),
        };
        redactor.learn(secrets);
        redactor
    }

    /// Masks these too, in all that was not shown yet.
    pub fn learn<'a>(&mut self, secrets: impl IntoIterator<Item = &'a str>) {
        let all = &mut self.secrets;
        for secret in secrets {
            let lines = secret.lines().filter(|line| line.len() >= MIN_LINE_BYTES);
            let whole = Some(secret).filter(|secret| secret.len() >= MIN_SECRET_BYTES);
            all.extend(lines.chain(whole).map(|text| text.as_bytes().to_vec()));
        }
        all.sort();
        all.dedup();
        self.finder = (!all.is_empty()).then(|| {
            AhoCorasick::builder()
                .match_kind(MatchKind::LeftmostLongest)
                .build(&*all)
                .expect("secrets are far smaller than two gigabytes")
        });
    }

    /// Takes the next bytes of the stream and returns what may be shown by now.
    pub fn push<'a>(&mut self, bytes: &'a [u8]) -> Cow<'a, [u8]> {
        let Some(finder) = &self.finder else {
            return Cow::Borrowed(bytes);
        };
        if self.held.is_empty() {
            let safe = self.undecided_from(bytes, 0);
            if safe == bytes.len() && !finder.is_match(bytes) {
                return Cow::Borrowed(bytes);
            }
        }
        let mut buffer = std::mem::take(&mut self.held);
        buffer.extend_from_slice(bytes);
        let mut shown = Vec::with_capacity(buffer.len());
        let mut at = 0;
        let mut undecided = self.undecided_from(&buffer, 0);
        while let Some(found) = finder.find(Input::new(&buffer).range(at..)) {
            if found.start() >= undecided {
                break;
            }
            shown.extend_from_slice(&buffer[at..found.start()]);
            shown.extend_from_slice(MASK.as_bytes());
            at = found.end();
            if at > undecided {
                undecided = self.undecided_from(&buffer, at);
            }
        }
        shown.extend_from_slice(&buffer[at..undecided]);
        self.held = buffer.split_off(undecided);
        Cow::Owned(shown)
    }

    /// The end of the stream: returns what was kept back, masked. The redactor may be used for another stream then.
    #[must_use]
    pub fn finish(&mut self) -> Vec<u8> {
        let held = std::mem::take(&mut self.held);
        self.mask_bytes(&held)
    }

    /// A text with its secrets masked; independent of the stream.
    #[must_use]
    pub fn mask(&self, text: &str) -> String {
        String::from_utf8_lossy(&self.mask_bytes(text.as_bytes())).into_owned()
    }

    fn mask_bytes(&self, bytes: &[u8]) -> Vec<u8> {
        match &self.finder {
            Some(finder) => finder.replace_all_bytes(bytes, &vec![MASK; self.secrets.len()]),
            None => bytes.to_vec(),
        }
    }

    /// The first byte, from `from` on, at which all that follows is the beginning of a longer secret. No match that
    /// starts before it can grow or change by what comes later.
    fn undecided_from(&self, bytes: &[u8], from: usize) -> usize {
        let longest = self.secrets.iter().map(Vec::len).max().unwrap_or(0);
        let first = from.max((bytes.len() + 1).saturating_sub(longest));
        (first..bytes.len())
            .find(|at| {
                let end = &bytes[*at..];
                self.secrets
                    .iter()
                    .any(|secret| secret.len() > end.len() && secret.starts_with(end))
            })
            .unwrap_or(bytes.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::{prop, prop_assert, prop_assert_eq, proptest};

    fn streamed(redactor: &mut Redactor, pieces: &[&[u8]]) -> Vec<u8> {
        let mut shown = Vec::new();
        for piece in pieces {
            shown.extend_from_slice(&redactor.push(piece));
        }
        shown.extend(redactor.finish());
        shown
    }

    #[test]
    fn secrets_are_masked_and_short_ones_are_not() {
        let redactor = Redactor::new(["hunter22", "abc", "", "hunter2"]);
        assert_eq!(
            redactor.mask("abc hunter2 hunter22hunter2"),
            "abc ••• ••••••"
        );
        assert_eq!(
            Redactor::new(["abc"]).mask("abc"),
            "abc",
            "nothing to mask is no error"
        );
    }

    #[test]
    fn a_secret_that_a_read_cut_in_two_is_masked() {
        let mut redactor = Redactor::new(["hunter22"]);
        assert_eq!(
            redactor.push(b"pass hunt").as_ref(),
            b"pass ",
            "only what may be a secret is kept back"
        );
        assert_eq!(redactor.push(b"er").as_ref(), b"");
        assert_eq!(redactor.push(b"22 hunter").as_ref(), "••• ".as_bytes());
        assert_eq!(redactor.finish(), b"hunter");
    }

    #[test]
    fn a_secret_that_is_learnt_later_is_masked_from_then_on() {
        let mut redactor = Redactor::new(["hunter22"]);
        assert_eq!(redactor.push(b"hunter23 hunt").as_ref(), b"hunter23 ");
        redactor.learn(["hunter23"]);
        assert_eq!(redactor.push(b"er2").as_ref(), b"");
        assert_eq!(redactor.push(b"3 hunter22").as_ref(), "••• •••".as_bytes());
        let mut redactor = Redactor::new([]);
        assert_eq!(redactor.push(b"hunt").as_ref(), b"hunt");
        redactor.learn(["hunter22"]);
        assert_eq!(redactor.push(b"hunter22").as_ref(), MASK.as_bytes());
    }

    #[test]
    fn lines_of_a_secret_are_masked_on_their_own() {
        let key = "-----BEGIN KEY-----\r\nMIIEpAIBAAKCAQEA\r\nab\r\n-----END KEY-----\n";
        let redactor = Redactor::new([key]);
        assert_eq!(redactor.mask(&format!("<{key}>")), "<•••>");
        assert_eq!(
            redactor.mask("    MIIEpAIBAAKCAQEA\n    ab"),
            "    •••\n    ab"
        );
    }

    #[test]
    fn a_longer_secret_is_waited_for() {
        let mut redactor = Redactor::new(["token", "token-of-admin"]);
        assert_eq!(
            streamed(&mut redactor, &[b"token", b"-of-", b"admin"]),
            MASK.as_bytes()
        );
        assert_eq!(
            streamed(&mut redactor, &[b"token", b"-of-", b"adam"]),
            format!("{MASK}-of-adam").as_bytes()
        );
    }

    #[test]
    fn output_without_secrets_is_not_copied() {
        let mut redactor = Redactor::new(["hunter22"]);
        assert!(matches!(
            redactor.push(b"nothing to see\n"),
            Cow::Borrowed(_)
        ));
        assert!(matches!(
            Redactor::new([]).push(b"hunter22"),
            Cow::Borrowed(_)
        ));
    }

    proptest! {
        #[test]
        fn every_cut_gives_the_same_as_masking_the_whole(
            secrets in prop::collection::vec("[ab\n]{1,10}", 0..5),
            text in "[abc\n]{0,80}",
            cuts in prop::collection::vec(0usize..81, 0..12),
        ) {
            let mut redactor = Redactor::new(secrets.iter().map(String::as_str));
            let whole = redactor.mask(&text);
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(text.len())).collect();
            cuts.extend([0, text.len()]);
            cuts.sort_unstable();
            let pieces: Vec<&[u8]> = cuts.windows(2).map(|pair| &text.as_bytes()[pair[0]..pair[1]]).collect();
            prop_assert_eq!(streamed(&mut redactor, &pieces), whole.as_bytes());
            for secret in secrets.iter().filter(|secret| secret.len() >= MIN_SECRET_BYTES) {
                prop_assert!(!whole.contains(secret.as_str()), "{secret:?} in {whole:?}");
            }
        }
    }
}
