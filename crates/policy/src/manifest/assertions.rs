//! Files of assertions: `docs/test.md` describes them.

use super::diagnostic::{Diagnostic, Severity};
use super::fields::{Context, Interner, Problems, Unknown};
use super::place::File;
use super::tree::{Broken, Entry, Node, Value, get};
use super::yaml;
use crate::analyse::assertions::{Assertion, Claim, Test};
use crate::analyse::names::{self, Destination, Name};
use crate::model::Text;

const KINDS: [&str; 6] = ["allow", "deny", "only", "exactly", "reaches", "isolated"];
const FIELDS: [&str; 7] = ["name", "allow", "deny", "only", "exactly", "reaches", "isolated"];

/// Reads the tests of a file of assertions.
///
/// # Errors
/// Everything that is wrong with the file, at its place.
pub fn assertions(name: Text, text: &str) -> Result<Vec<Test>, Vec<Diagnostic>> {
    let file = File::new(name, text.strip_prefix('\u{feff}').unwrap_or(text));
    let (mut problems, mut interner) = (Problems::default(), Interner::default());
    let mut context = Context { file: &file, problems: &mut problems, interner: &mut interner };
    let tests = match yaml::documents(file.text, 0) {
        Ok(documents) => documents.iter().flat_map(|document| tests(&mut context, document)).collect(),
        Err(broken) => {
            report(&mut context, broken);
            Vec::new()
        }
    };
    if tests.is_empty() && problems.diagnostics.is_empty() {
        let context = &mut Context { file: &file, problems: &mut problems, interner: &mut interner };
        context.error("PC194", &(0..0), "a file without tests".to_owned(), shape());
    }
    match problems.diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error) {
        true => Err(problems.diagnostics),
        false => Ok(tests),
    }
}

fn shape() -> Option<String> {
    Some("it starts with `tests:`, then for each test `- name: ...` and one of allow, deny, only, exactly, reaches, isolated".to_owned())
}

fn report(context: &mut Context<'_, '_>, broken: Broken) {
    let start = broken.at.start.min(context.file.text.len());
    let is_star = context.file.text.get(start..).is_some_and(|rest| rest.starts_with('*'));
    // To YAML a star begins an alias.
    let help = if is_star { Some("put it in quotes: `\"*/* -> ...\"`".to_owned()) } else { broken.help };
    context.error(broken.code, &broken.at, broken.title, help);
}

fn tests<'a>(context: &mut Context<'_, 'a>, document: &Node<'a>) -> Vec<Test> {
    if document.is_null() {
        return Vec::new();
    }
    let Some(entries) = context.map(document, "the file", &["tests"], Unknown::Error) else {
        return Vec::new();
    };
    let listed = context.list(get(entries, "tests"), "tests");
    listed.iter().filter_map(|node| test(context, node)).collect()
}

fn test<'a>(context: &mut Context<'_, 'a>, node: &Node<'a>) -> Option<Test> {
    let before = context.errors();
    let entries = context.map(node, "a test", &FIELDS, Unknown::Error)?;
    let name = context.text(get(entries, "name"), "name").map(str::to_owned);
    let mut claims = Vec::new();
    for entry in entries.iter().filter(|entry| KINDS.contains(&entry.key.as_ref())) {
        claims.extend(of_kind(context, entry));
    }
    if context.errors() > before {
        return None;
    }
    let (title, help) = match (&name, claims.is_empty()) {
        (Some(_), false) => {
            let origin = context.file.origin(node.at.start);
            return Some(Test { name: name.unwrap_or_default(), assertions: claims, origin });
        }
        (None, _) => ("a test without a name", "say what it shows: `- name: ...`"),
        (Some(_), true) => {
            ("a test that claims nothing", "give it one of allow, deny, only, exactly, reaches, isolated")
        }
    };
    let at = node.at.start..node.at.start + 1;
    context.error("PC194", &at, title.to_owned(), help.to_owned());
    None
}

/// One claim, or a list of them.
fn of_kind<'a>(context: &mut Context<'_, 'a>, entry: &Entry<'a>) -> Vec<Assertion> {
    let kind = entry.key.as_ref();
    let nodes = match &entry.value.value {
        Value::Text(_) => std::slice::from_ref(&entry.value),
        Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) => {
            context.list(Some(&entry.value), kind)
        }
        Value::List(_) | Value::Map(_) | Value::Skipped => context.list(Some(&entry.value), kind),
    };
    if nodes.is_empty() {
        let title = format!("`{kind}` claims nothing");
        context.error("PC194", &entry.key_at, title, "leave it out, or list what it is about".to_owned());
    }
    nodes.iter().filter_map(|node| assertion(context, kind, node)).collect()
}

fn assertion<'a>(context: &mut Context<'_, 'a>, kind: &str, node: &Node<'a>) -> Option<Assertion> {
    let text = context.text(Some(node), kind).map(|text| text.trim().to_owned())?;
    match claim(kind, &text) {
        Ok(claim) => Some(Assertion { claim, text, origin: context.file.origin(node.at.start) }),
        Err(why) => {
            context.error("PC195", &node.at, why, None);
            None
        }
    }
}

fn claim(kind: &str, text: &str) -> Result<Claim, String> {
    if kind == "isolated" {
        return set(text).map(Claim::Isolated);
    }
    let (from, to) = pair(text)?;
    match kind {
        "allow" => Ok(Claim::Allow(from, to)),
        "deny" => Ok(Claim::Deny(from, to)),
        "only" => Ok(Claim::Only(from, to)),
        "exactly" => Ok(Claim::Exactly(from, to)),
        _ => only_pods(&from, text).map(|()| Claim::Reaches(from, to)),
    }
}

fn pair(text: &str) -> Result<(Name, Destination), String> {
    let Some((from, to)) = text.split_once("->") else {
        return Err(format!("`{text}` has no arrow; write `source -> destination:port`"));
    };
    if to.contains("->") {
        return Err(format!("`{text}` has several arrows; write a line for each"));
    }
    let from = names::source(from.trim()).map_err(|error| error.to_string())?;
    Ok((from, names::destination(to.trim()).map_err(|error| error.to_string())?))
}

fn set(text: &str) -> Result<Name, String> {
    let name = names::source(text).map_err(|error| error.to_string())?;
    only_pods(&name, text).map(|()| name)
}

fn only_pods(name: &Name, text: &str) -> Result<(), String> {
    match name {
        Name::Pods(..) => Ok(()),
        Name::Net(_) | Name::External(_) | Name::Internet | Name::Outside => {
            Err(format!("`{text}` is about addresses; policies hold back pods only"))
        }
    }
}
