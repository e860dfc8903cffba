//! What a manifest's author got wrong, with its place.

use std::ops::Range;

use annotate_snippets::renderer::{DEFAULT_TERM_WIDTH, DecorStyle};
use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};

use crate::model::Text;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Nothing is said about the object's meaning.
    Error,
    /// It is read, perhaps otherwise than its author thinks.
    Warning,
}

/// One problem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// Stable and short: `PC110`.
    pub code: &'static str,
    /// What is wrong: lower case, no full stop, the user's words in backticks.
    pub title: String,
    /// Where; `None` where it is no single place's fault.
    pub place: Option<Place>,
    /// What to do about it.
    pub help: Option<String>,
}

/// A place in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file as the user named it.
    pub file: Text,
    /// Counted from 1.
    pub line: u32,
    /// In characters, counted from 1.
    pub column: u32,
    /// The bytes of the file that are meant.
    pub span: Range<usize>,
    /// The source line, or a part of a very long one.
    pub excerpt: String,
    /// The bytes of `excerpt` that are meant.
    pub marked: Range<usize>,
    /// Whether `excerpt` is but a part of its line.
    pub is_cut: bool,
}

/// Whether to write escape codes for colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colour {
    /// Yes.
    Ansi,
    /// No.
    Plain,
}

impl Diagnostic {
    /// The problem as people read it: title, `file:line:column`, the source line underlined, help. Ends with
    /// a line break.
    pub fn render(&self, colour: Colour) -> String {
        let level = match self.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
        };
        let mut group = Group::with_title(level.primary_title(self.title.as_str()).id(self.code));
        if let Some(place) = &self.place {
            group = match place.is_cut {
                true => group.element(place.origin()).element(place.snippet()),
                false => group.element(place.snippet().path(place.file.as_ref())),
            };
        }
        if let Some(help) = &self.help {
            group = group.element(Level::HELP.message(help.as_str()));
        }
        let renderer = match colour {
            Colour::Ansi => Renderer::styled(),
            Colour::Plain => Renderer::plain(),
        };
        let renderer = renderer.decor_style(DecorStyle::Ascii).term_width(DEFAULT_TERM_WIDTH);
        format!("{}\n", renderer.render(&[group]))
    }
}

impl Place {
    fn origin(&self) -> Origin<'_> {
        Origin::path(self.file.as_ref()).line(self.line as usize).char_column(self.column as usize)
    }

    fn snippet(&self) -> Snippet<'_, annotate_snippets::Annotation<'_>> {
        Snippet::source(self.excerpt.as_str())
            .line_start(self.line as usize)
            .fold(false)
            .annotation(AnnotationKind::Primary.span(self.marked.clone()))
    }
}

/// `error[PC110] policy.yaml:7:3: unknown field `ingres``: one line, for logs and tests.
impl std::fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        write!(f, "{severity}[{}]", self.code)?;
        if let Some(place) = &self.place {
            write!(f, " {}:{}:{}", place.file, place.line, place.column)?;
        }
        write!(f, ": {}", self.title)
    }
}
