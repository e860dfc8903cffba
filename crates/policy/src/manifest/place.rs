//! From bytes of a file to lines that people see.

use std::cell::Cell;

use super::diagnostic::Place;
use super::tree::Span;
use crate::model::{Origin, Text};

/// Of a longer line only a part is shown.
const LONGEST_EXCERPT: usize = 200;

/// A file's name and text.
pub(super) struct File<'a> {
    pub(super) name: Text,
    pub(super) text: &'a str,
    /// A byte and the line it is on, counted from 0; the next question is about a place nearby.
    near: Cell<(usize, usize)>,
}

impl<'a> File<'a> {
    pub(super) fn new(name: Text, text: &'a str) -> Self {
        File { name, text, near: Cell::new((0, 0)) }
    }

    /// The line, counted from 1, of a byte.
    pub(super) fn line(&self, at: usize) -> u32 {
        let at = at.min(self.text.len());
        let (near, line) = self.near.get();
        let breaks = |from: usize, to: usize| {
            memchr::memchr_iter(b'\n', self.text.as_bytes().get(from..to).unwrap_or_default()).count()
        };
        let line = if near <= at { line + breaks(near, at) } else { line - breaks(at, near) };
        self.near.set((at, line));
        u32::try_from(line + 1).unwrap_or(u32::MAX)
    }

    pub(super) fn origin(&self, at: usize) -> Origin {
        Origin { file: self.name.clone(), line: self.line(at) }
    }

    /// A place as a diagnostic keeps it, cut at the end of its first line.
    pub(super) fn place(&self, at: &Span) -> Place {
        let start = self.boundary(at.start);
        let before = self.text.get(..start).unwrap_or_default();
        let after = self.text.get(start..).unwrap_or_default();
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let line_end = start + after.find('\n').unwrap_or(after.len());
        let end = self.boundary(at.end.max(start)).min(line_end);
        let column = self.text.get(line_start..start).unwrap_or_default().chars().count() + 1;
        let shown = self.excerpt(line_start..line_end, start);
        let is_cut = shown != (line_start..line_end);
        let marked = start - shown.start..end.min(shown.end).max(start) - shown.start;
        let excerpt = self.text.get(shown).unwrap_or_default().trim_end_matches('\r').to_owned();
        Place {
            file: self.name.clone(),
            line: self.line(start),
            column: u32::try_from(column).unwrap_or(u32::MAX),
            span: at.clone(),
            marked: marked.start.min(excerpt.len())..marked.end.min(excerpt.len()),
            excerpt,
            is_cut,
        }
    }

    fn excerpt(&self, line: Span, at: usize) -> Span {
        if line.len() <= LONGEST_EXCERPT {
            return line;
        }
        let start = self.boundary(at.saturating_sub(LONGEST_EXCERPT / 2).max(line.start));
        start..self.boundary((start + LONGEST_EXCERPT).min(line.end))
    }

    /// The byte itself, or the one before it where a character starts.
    fn boundary(&self, at: usize) -> usize {
        let mut at = at.min(self.text.len());
        while !self.text.is_char_boundary(at) {
            at -= 1;
        }
        at
    }
}
