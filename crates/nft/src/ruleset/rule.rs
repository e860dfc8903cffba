//! One rule.

use super::matches::normal;
use super::{Family, LONGEST_COMMENT, LONGEST_PREFIX, Match, Name, Side};

/// One rule: what all of its matches hold for is counted, logged and decided.
///
/// A rule has one spelling: matches that others imply (`meta nfproto`, `meta l4proto`) are left out when it
/// is made, texts that are too long are cut, so that what is read back equals what was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    matches: Vec<Match>,
    counted: bool,
    log: Option<Log>,
    end: End,
    comment: Option<Name>,
}

/// How a rule ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// With the next rule.
    Continue,
    /// With a verdict.
    Verdict(Verdict),
    /// With the verdict that a map has for one of the packet's addresses; with the next rule where it has
    /// none.
    Dispatch {
        /// Which address.
        side: Side,
        /// Of which family; the map's.
        family: Family,
        /// The map.
        map: Name,
    },
}

/// What happens to a packet.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// This base chain is done with it. Later ones still see it.
    Accept,
    /// It is gone.
    Drop,
    /// On with the rule after the `jump`; at the top, as if the chain had ended.
    Return,
    /// On with that chain, and then back.
    Jump(Name),
    /// On with that chain, and not back.
    Goto(Name),
}

/// A copy of the packet's head to user space, by NFLOG.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// What it is tagged with.
    pub prefix: Name,
    /// To which NFLOG group.
    pub group: u16,
    /// How many bytes of the packet; 0 for all.
    pub snaplen: u32,
}

impl Rule {
    /// A rule that does nothing yet.
    pub fn new(matches: impl IntoIterator<Item = Match>) -> Self {
        let matches = spelled_once(matches.into_iter().map(normal).collect());
        Rule { matches, counted: false, log: None, end: End::Continue, comment: None }
    }

    /// Counts packets and bytes.
    pub fn counted(mut self) -> Self {
        self.counted = true;
        self
    }

    /// Copies packets to user space. The prefix is cut to what the kernel takes.
    pub fn logged(mut self, log: Log) -> Self {
        let prefix = text(&log.prefix, LONGEST_PREFIX);
        self.log = Some(Log { prefix, ..log });
        self
    }

    /// Ends with a verdict.
    pub fn verdict(mut self, verdict: Verdict) -> Self {
        self.end = End::Verdict(verdict);
        self
    }

    /// Ends with what the map says of an address.
    pub fn dispatch(mut self, side: Side, family: Family, map: impl Into<Name>) -> Self {
        self.end = End::Dispatch { side, family, map: map.into() };
        self.matches = spelled_once_with(self.matches, Some(family));
        self
    }

    /// Says to the reader of `nft list` what it is. Cut to what fits; control characters and double quotes,
    /// which `nft` has no way to write, are replaced.
    pub fn comment(mut self, comment: &str) -> Self {
        self.comment = (!comment.is_empty()).then(|| text(comment, LONGEST_COMMENT));
        self
    }

    /// Its matches, in order.
    pub fn matches(&self) -> &[Match] {
        &self.matches
    }

    /// Whether it counts.
    pub fn is_counted(&self) -> bool {
        self.counted
    }

    /// Its log.
    pub fn log(&self) -> Option<&Log> {
        self.log.as_ref()
    }

    /// How it ends.
    pub fn end(&self) -> &End {
        &self.end
    }

    /// Its comment.
    pub fn comment_text(&self) -> Option<&str> {
        self.comment.as_deref()
    }
}

fn spelled_once(matches: Vec<Match>) -> Vec<Match> {
    spelled_once_with(matches, None)
}

/// Without the matches that others imply or repeat.
fn spelled_once_with(matches: Vec<Match>, dispatched: Option<Family>) -> Vec<Match> {
    let families: Vec<Family> = matches.iter().filter_map(Match::family).chain(dispatched).collect();
    let protocols: Vec<u8> = matches.iter().filter_map(Match::protocol).collect();
    let mut kept: Vec<Match> = Vec::with_capacity(matches.len());
    for condition in matches {
        let said = match &condition {
            Match::Family(family) => families.contains(family) || kept.contains(&condition),
            Match::Protocol(protocol) => protocols.contains(protocol) || kept.contains(&condition),
            Match::State(_)
            | Match::Address(..)
            | Match::Service(..)
            | Match::Pair(..)
            | Match::Port(..)
            | Match::TcpFlags { .. }
            | Match::Icmpv6(..) => false,
        };
        if !said {
            kept.push(condition);
        }
    }
    kept
}

/// What fits of a text, with what `nft` can't write replaced.
fn text(text: &str, longest: usize) -> Name {
    let text = text.get(..text.floor_char_boundary(longest)).unwrap_or(text);
    text.chars().map(writable).collect::<String>().into()
}

fn writable(c: char) -> char {
    match c {
        '"' => '\'',
        c if c.is_control() => ' ',
        c => c,
    }
}
