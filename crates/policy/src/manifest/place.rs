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
    /// The last byte of which a column was asked: a file may be one line of many megabytes, and have many
    /// problems.
    column: Cell<Column>,
}

/// Where a byte is on its line.
#[derive(Clone, Copy, Default)]
struct Column {
    at: usize,
    /// The line's first byte.
    line: usize,
    /// How many characters there are between that and `at`.
    characters: usize,
}

impl<'a> File<'a> {
    pub(super) fn new(name: Text, text: &'a str) -> Self {
        File { name, text, near: Cell::default(), column: Cell::default() }
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
        let Column { line: line_start, characters, .. } = self.column(start);
        // no more of the line is shown
        let after = self.text.get(start..self.boundary(start + LONGEST_EXCERPT + 1)).unwrap_or_default();
        let line_end = start + after.find('\n').unwrap_or(after.len());
        let end = self.boundary(at.end.max(start)).min(line_end);
        let shown = self.excerpt(line_start..line_end, start);
        let is_cut = shown != (line_start..line_end);
        let marked = start - shown.start..end.min(shown.end).max(start) - shown.start;
        let excerpt = self.text.get(shown).unwrap_or_default().trim_end_matches('\r').to_owned();
        Place {
            file: self.name.clone(),
            line: self.line(start),
            column: u32::try_from(characters + 1).unwrap_or(u32::MAX),
            span: at.clone(),
            marked: marked.start.min(excerpt.len())..marked.end.min(excerpt.len()),
            excerpt,
            is_cut,
        }
    }

    /// Counted from the byte of which it was asked before.
    fn column(&self, at: usize) -> Column {
        let known = self.column.get();
        let text = |span: Span| self.text.get(span).unwrap_or_default();
        let between = text(known.at.min(at)..known.at.max(at));
        let (line, characters) = match (between.rfind('\n'), known.at <= at) {
            (None, true) => (known.line, known.characters + between.chars().count()),
            (None, false) => (known.line, known.characters - between.chars().count()),
            (Some(_), _) => {
                let line = text(0..at).rfind('\n').map_or(0, |last| last + 1);
                (line, text(line..at).chars().count())
            }
        };
        let column = Column { at, line, characters };
        self.column.set(column);
        column
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

#[cfg(test)]
mod tests {
    use super::*;

    /// By hand, from the start of the text.
    fn line_and_column(text: &str, at: usize) -> (u32, u32) {
        let before = &text[..at];
        let line = before.matches('\n').count() + 1;
        let column = before.chars().rev().take_while(|character| *character != '\n').count() + 1;
        (line as u32, column as u32)
    }

    #[test]
    fn lines_and_columns_are_right_in_whatever_order_they_are_asked() {
        let text = "eins\nzwölf Häuser\n\nein Wort\r\nund ein letztes";
        let places: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
        for first in &places {
            for second in &places {
                let file = File::new("a.yaml".into(), text);
                for at in [*first, *second, *first] {
                    let place = file.place(&(at..at));
                    assert_eq!((place.line, place.column), line_and_column(text, at), "{first}, {second}");
                    assert_eq!(Some(place.excerpt.as_str()), text.lines().nth(place.line as usize - 1));
                }
            }
        }
    }

    #[test]
    fn of_a_long_line_a_part_is_shown_with_the_place_in_it() {
        let text = format!("short\n{}x{}\nshort", "ä".repeat(500), "ö".repeat(500));
        let file = File::new("a.json".into(), &text);
        let at = text.find('x').unwrap();
        let place = file.place(&(at..at + 1));
        assert_eq!((place.line, place.column, place.is_cut), (2, 501, true));
        assert_eq!(&place.excerpt[place.marked.clone()], "x");
        assert!(place.excerpt.len() <= LONGEST_EXCERPT, "{}", place.excerpt.len());
    }
}
