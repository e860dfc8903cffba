//! The report as tables that people read.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Color, Style};
use policy::decision::Verdict;
use policy::rows::Row;

use super::report::{Change, Expectation, How, Kernel, Line, Report, StateReport, Why};

const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();
const ALLOW: Style = AnsiColor::Green.on_default();
const DENY: Style = AnsiColor::Red.on_default();
const CHANGED: Style = AnsiColor::Yellow.on_default().bold();
const ALARM: Style = AnsiColor::BrightWhite.on_default().bg_color(Some(Color::Ansi(AnsiColor::Red))).bold();

/// How rows are indented under their source: room for the mark of what changed.
const INDENT: usize = 4;
const VERDICT: usize = "verdict".len();

/// All states and the summary, in lines of at most `width` columns where words allow it.
pub(crate) fn render(report: &Report, width: usize) -> String {
    let mut text = String::new();
    for (number, state) in report.states.iter().enumerate() {
        title(&mut text, number, state, width);
        body(&mut text, state, width);
        text.push('\n');
    }
    summary(&mut text, report);
    text
}

fn title(text: &mut String, number: usize, state: &StateReport, width: usize) {
    let name = match &state.step {
        None => "The cluster".to_owned(),
        Some(step) => format!("Step {number}: {step}"),
    };
    line(text, BOLD, &name);
    let changes = wrapped(&changes_in_words(&state.changes), width.saturating_sub(2));
    changes.iter().for_each(|words| line(text, Style::new(), &format!("  {words}")));
    match (&state.step, state.changed()) {
        (None, _) => (),
        (Some(_), 0) => line(text, DIM, "  no verdict changes"),
        (Some(_), changed) => {
            let rows = state.lines.len();
            line(text, CHANGED, &format!("  {changed} of {rows} verdicts change, marked >"));
        }
    }
    text.push('\n');
}

/// `adds NetworkPolicy a/b, NetworkPolicy a/c; replaces pod a/d`.
fn changes_in_words(changes: &[Change]) -> String {
    let verbs = [(How::Added, "adds"), (How::Replaced, "replaces"), (How::Removed, "removes")];
    let clauses = verbs.into_iter().filter_map(|(how, verb)| {
        let these: Vec<&Change> = changes.iter().filter(|change| change.how == how).collect();
        let policies = these.iter().filter(|change| change.is_policy).map(|change| change.object.clone());
        let others: Vec<String> =
            these.iter().filter(|change| !change.is_policy).map(|change| change.object.clone()).collect();
        let others = if others.len() > 3 { vec![format!("{} other objects", others.len())] } else { others };
        let objects: Vec<String> = policies.chain(others).collect();
        (!objects.is_empty()).then(|| format!("{verb} {}", objects.join(", ")))
    });
    clauses.collect::<Vec<_>>().join("; ")
}

/// How wide the columns are, so that all rows of a table line up.
struct Columns {
    destination: usize,
    port: usize,
    width: usize,
}

impl Columns {
    fn of(state: &StateReport, width: usize) -> Self {
        let widest = |of: &dyn Fn(&Row) -> usize| state.lines.iter().map(|line| of(&line.row)).max();
        Columns {
            destination: widest(&|row| row.destination.to_string().chars().count()).unwrap_or(0),
            port: widest(&|row| port(row).len()).unwrap_or(0),
            width,
        }
    }

    /// Where the reason starts.
    fn before_reason(&self) -> usize {
        INDENT + self.destination + 2 + self.port + 2 + VERDICT + 2
    }

    /// What is left for the reason; never so little that words fall apart.
    fn reason(&self) -> usize {
        self.width.saturating_sub(self.before_reason()).max(24)
    }
}

fn body(text: &mut String, state: &StateReport, width: usize) {
    let columns = Columns::of(state, width);
    if !state.lines.is_empty() {
        let (destination, port) = (columns.destination + INDENT - 2, columns.port);
        line(text, DIM, &format!("  {:<destination$}  {:<port$}  verdict  why", "from, to", "port"));
    }
    let mut source = None;
    for row in &state.lines {
        let name = row.row.source.to_string();
        if source.as_ref() != Some(&name) {
            line(text, BOLD, &format!("  {name}"));
            source = Some(name);
        }
        row_lines(text, row, &columns);
    }
    for missing in &state.unanswered {
        line(text, ALARM, &format!("  !! expected, but there is no such row: {missing}"));
    }
    for note in &state.notes {
        wrapped(note, width.saturating_sub(2))
            .iter()
            .for_each(|words| line(text, DIM, &format!("  {words}")));
    }
}

fn row_lines(text: &mut String, line: &Line, columns: &Columns) {
    let (row, answer) = (&line.row, &line.answer);
    let mark = if line.before.is_some() { ">" } else { " " };
    let name_style = if line.before.is_some() { CHANGED } else { Style::new() };
    let verdict = answer.kernel.verdict();
    let _ = write!(
        text,
        "{name_style}  {mark} {:<destination$}  {:<port$}{name_style:#}  {}",
        row.destination.to_string(),
        port(row),
        styled(verdict),
        destination = columns.destination,
        port = columns.port,
    );
    let mut words =
        answer.why.as_ref().map(|why| fitted(why, columns.reason())).unwrap_or_default().into_iter();
    if let Some(first) = words.next() {
        let _ = write!(text, "{:gap$}{first}", "", gap = VERDICT + 2 - word(verdict).1.len());
    }
    text.push('\n');
    words.for_each(|more| {
        let _ = writeln!(text, "{:indent$}{more}", "", indent = columns.before_reason());
    });
    alarms(line).iter().for_each(|alarm| {
        let _ = writeln!(text, "{:INDENT$}{ALARM} !! {alarm} {ALARM:#}", "");
    });
    remarks(line).iter().for_each(|remark| {
        let _ = writeln!(text, "{:indent$}{DIM}{remark}{DIM:#}", "", indent = INDENT + 2);
    });
}

/// `80/tcp`, with the family where it isn't IPv4.
fn port(row: &Row) -> String {
    match row.family {
        policy::model::Family::V4 => format!("{}/{}", row.port, row.protocol),
        policy::model::Family::V6 => format!("{}/{} v6", row.port, row.protocol),
    }
}

fn word(verdict: Option<Verdict>) -> (Style, &'static str) {
    match verdict {
        Some(Verdict::Accept) => (ALLOW, "allow"),
        Some(Verdict::Deny) => (DENY, "deny"),
        None => (ALARM, "failed"),
    }
}

fn styled(verdict: Option<Verdict>) -> String {
    let (style, word) = word(verdict);
    format!("{style}{word}{style:#}")
}

/// What must not be overlooked.
fn alarms(line: &Line) -> Vec<String> {
    let answer = &line.answer;
    let mut alarms = Vec::new();
    if answer.is_mismatch() {
        let engine = answer.engine.verdict();
        let kernel = match &answer.kernel {
            Kernel::Failed(why) => format!("the packets failed: {why}"),
            Kernel::Refused => "the kernel lets it through to a closed port".to_owned(),
            Kernel::Allowed => "the kernel says allow".to_owned(),
            Kernel::Denied(Some(rule)) => format!("the kernel says deny (rule {rule})"),
            Kernel::Denied(None) => "the kernel says deny (no rule logged)".to_owned(),
        };
        alarms.push(format!("the engine says {engine}, {kernel}, asked {} times", answer.attempts));
    }
    match answer.expected {
        Expectation::Verdict(expected) if answer.is_unexpected() => {
            alarms.push(format!("expected {expected}"));
        }
        Expectation::Missing => alarms.push("the expected table has no such row".to_owned()),
        Expectation::Verdict(_) | Expectation::NotAsked => (),
    }
    alarms
}

fn remarks(line: &Line) -> Vec<String> {
    let closed = match line.answer.kernel {
        Kernel::Refused => Some("reached; nothing listens on the port".to_owned()),
        Kernel::Allowed | Kernel::Denied(_) | Kernel::Failed(_) => None,
    };
    let twin = line.answer.twin.as_ref().map(|(verdict, why)| {
        let why = why.as_ref().map(|why| format!(": {}", why.full)).unwrap_or_default();
        format!(
            "over IPv{}: {verdict}{why}",
            if line.row.family == policy::model::Family::V4 { 6 } else { 4 }
        )
    });
    closed.into_iter().chain(twin).collect()
}

fn summary(text: &mut String, report: &Report) {
    let rows: usize = report.states.iter().map(|state| state.lines.len()).sum();
    let mismatches: usize = report.states.iter().map(StateReport::mismatches).sum();
    let unexpected: usize = report.states.iter().map(StateReport::unexpected).sum();
    let states = report.states.len();
    let asked = format!(
        "{rows} {} in {states} {}, {} probes, {:.1} s: ",
        plural(rows, "verdict", "verdicts"),
        plural(states, "state", "states"),
        report.probes,
        report.seconds
    );
    text.push_str(&asked);
    let agreed = match mismatches {
        0 => format!("{ALLOW}engine and kernel agree on all{ALLOW:#}"),
        some => format!("{ALARM}engine and kernel differ on {some}{ALARM:#}"),
    };
    text.push_str(&agreed);
    let has_table = |line: &Line| line.answer.expected != Expectation::NotAsked;
    if report.states.iter().any(|state| state.lines.iter().any(has_table) || !state.unanswered.is_empty()) {
        let expected = match unexpected {
            0 => format!("; {ALLOW}all as expected{ALLOW:#}"),
            some => format!("; {ALARM}{some} not as expected{ALARM:#}"),
        };
        text.push_str(&expected);
    }
    text.push('\n');
}

fn plural<'a>(count: usize, one: &'a str, many: &'a str) -> &'a str {
    if count == 1 { one } else { many }
}

fn line(text: &mut String, style: Style, words: &str) {
    let _ = writeln!(text, "{style}{words}{style:#}");
}

/// The reason in full where it fits in a line, else in brief, else on several lines.
fn fitted(why: &Why, width: usize) -> Vec<String> {
    match why.full.chars().count() <= width {
        true => vec![why.full.clone()],
        false => wrapped(&why.brief, width),
    }
}

/// Broken between words; a word longer than a line stands alone.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            Some(_) | None => lines.push(word.to_owned()),
        }
    }
    lines
}
