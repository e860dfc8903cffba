//! From files to objects.

use super::cluster_policy::{Dialect, cluster_policy};
use super::diagnostic::{Diagnostic, Severity};
use super::doubt::{Doubt, Understood};
use super::fields::{Context, Interner, MOST_DIAGNOSTICS, Problems};
use super::head::{Head, implied_by, item};
use super::json::{self, Json};
use super::kinds::{Kind, Known, known};
use super::looks::looks;
use super::metadata::metadata;
use super::network_policy::network_policy;
use super::objects::{Object, ObjectId, Objects};
use super::place::File;
use super::tree::{Broken, Node, Shape, Span, Value};
use super::{Listed, Options, Read, Skipped, Source, Unreadable, Unsupported, others, pods, yaml};
use crate::model::{Note, Origin};

/// Reads all files; every problem of every file is reported.
pub fn read<'a>(sources: impl IntoIterator<Item = Source<'a>>, options: Options) -> Read {
    let mut reader = Reader {
        options,
        objects: Objects::default(),
        first: Origins::default(),
        problems: Problems::default(),
        interner: Interner::default(),
        skipped: Skipped::default(),
    };
    for source in sources {
        reader.source(&source);
    }
    if reader.problems.left_out > 0 {
        let title = format!("{} more problems after the first {MOST_DIAGNOSTICS}", reader.problems.left_out);
        let (severity, code, help) = (Severity::Warning, "PC009", None);
        reader.problems.diagnostics.push(Diagnostic { severity, code, title, place: None, help });
    }
    Read { objects: reader.objects, diagnostics: reader.problems.diagnostics, skipped: reader.skipped }
}

/// Larger texts that start like JSON and are none aren't tried as YAML as well.
const LONGEST_RETRIED: usize = 16 << 20;

type Origins = hashbrown::HashMap<ObjectId, Origin>;

struct Reader {
    options: Options,
    objects: Objects,
    /// Where each object was first seen.
    first: Origins,
    problems: Problems,
    interner: Interner,
    skipped: Skipped,
}

/// What one file has brought; nothing of it counts until it is clear what syntax the file has.
#[derive(Default)]
struct Found {
    objects: Vec<FoundObject>,
    problems: Problems,
    skipped: Skipped,
    /// Documents that are no Kubernetes objects.
    foreign: Vec<Span>,
}

struct FoundObject {
    id: ObjectId,
    /// `None` where nothing of it applies.
    object: Option<Object>,
    name_at: Span,
    /// Where its name stands.
    origin: Origin,
    /// What has no part in any verdict.
    note: Option<Note>,
    /// Where it can't be read in full.
    doubt: Option<Unread>,
}

/// What can't be read in full, and yet is known to be there.
enum Unread {
    Policy(Box<Doubt>),
    Namespace,
}

impl Reader {
    fn source(&mut self, source: &Source<'_>) {
        let bytes = source.bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&source.bytes);
        match text(bytes) {
            Ok(text) => {
                let file = File::new(source.name.clone(), text);
                let found = self.found(&file, source.listed);
                self.take(&file, found, source.listed);
            }
            Err((valid, broken)) => {
                let file = File::new(source.name.clone(), valid);
                let mut found = Found::default();
                report(&file, &mut found.problems, &mut self.interner, broken);
                self.take(&file, found, source.listed);
            }
        }
    }

    /// What starts with a bracket is JSON, unless it is YAML that starts so.
    fn found(&mut self, file: &File<'_>, listed: Listed) -> Found {
        if !file.text.trim_start().starts_with(['{', '[']) {
            return self.yaml(file, listed).unwrap_or_else(|found| found);
        }
        let (found, code) = match self.json(file) {
            Ok(found) => return found,
            Err(broken) => *broken,
        };
        if file.name.ends_with(".json") || file.text.len() > LONGEST_RETRIED {
            return found;
        }
        match self.yaml(file, listed) {
            Ok(yaml) => yaml,
            Err(yaml) if code == "PC003" && is_helm(file.text) => yaml,
            Err(_) => found,
        }
    }

    fn json<'a>(&mut self, file: &File<'a>) -> Result<Found, Box<(Found, &'static str)>> {
        let mut found = Found::default();
        let mut json = Json::new(file.text, 0);
        while !json.is_at_end() {
            let read = match json.peek() {
                Some(b'{') => self.json_object(file, &mut json, &mut found),
                Some(_) | None => json.value(&Shape::Skip).map(|node| found.foreign.push(node.at)),
            };
            if let Err(broken) = read {
                let code = broken.code;
                report(file, &mut found.problems, &mut self.interner, *broken);
                return Err(Box::new((found, code)));
            }
        }
        Ok(found)
    }

    /// An object or a list of them, whose items are handed on one by one.
    fn json_object<'a>(
        &mut self,
        file: &File<'a>,
        json: &mut Json<'a>,
        found: &mut Found,
    ) -> json::Result<()> {
        let start = json.at();
        let mut head = Head::default();
        json.entries(|json, key, key_at| match key.as_ref() {
            "items" if head.is_list(json) => json.elements(|json| {
                let implied = head.implied();
                let item = item(file.text, json, implied)?;
                self.object(file, found, &item, implied);
                Ok(())
            }),
            _ => head.entry(json, key, key_at),
        })?;
        let was_list = head.has_streamed();
        let node = head.finish(file.text, start..json.at())?;
        if !was_list {
            self.object(file, found, &node, None);
        }
        Ok(())
    }

    fn yaml(&mut self, file: &File<'_>, listed: Listed) -> Result<Found, Found> {
        let mut found = Found::default();
        let mut is_broken = false;
        for piece in yaml::pieces(file.text) {
            let text = file.text.get(piece.clone()).unwrap_or_default();
            if yaml::is_blank(text) {
                continue;
            }
            match yaml::documents(text, piece.start) {
                Ok(documents) => {
                    for node in documents.iter().filter(|node| !node.is_null()) {
                        self.object(file, &mut found, node, None);
                    }
                }
                Err(broken) if broken.code == "PC003" && is_helm(text) => {
                    is_broken = true;
                    found.skipped.helm_templates = 1;
                    if listed == Listed::ByName && found.problems.errors == 0 {
                        report(file, &mut found.problems, &mut self.interner, helm(file.text));
                    }
                }
                Err(broken)
                    if broken.code == "PC003" && listed == Listed::InFolder && !is_like_ours(text) =>
                {
                    is_broken = true;
                    found.foreign.push(piece);
                }
                Err(broken) => {
                    is_broken = true;
                    let broken = explained(file.text, broken);
                    report(file, &mut found.problems, &mut self.interner, broken);
                }
            }
        }
        if is_broken { Err(found) } else { Ok(found) }
    }

    /// One document, or one item of a list whose kind tells what its items are.
    fn object<'a>(
        &mut self,
        file: &File<'a>,
        found: &mut Found,
        node: &Node<'a>,
        implied: Option<(&str, Kind)>,
    ) {
        let api_version = node.get("apiVersion");
        let kind = node.get("kind");
        let Value::Map(_) = &node.value else {
            found.foreign.push(node.at.clone());
            return;
        };
        let mut context = Context { file, problems: &mut found.problems, interner: &mut self.interner };
        let words = match (api_version.and_then(Node::text), kind.and_then(Node::text), implied) {
            (Some(api_version), Some(kind), _) => (api_version, kind),
            (None, None, Some((api_version, kind))) => (api_version, kind.name()),
            (api_version, kind, _) => {
                if !half_named(&mut context, node, api_version, kind) {
                    found.foreign.push(node.at.clone());
                }
                return;
            }
        };
        let at = kind.or(api_version).map_or_else(|| node.at.clone(), |node| node.at.clone());
        match known(words.0, words.1) {
            Known::Kind(kind) => self.known_object(file, found, node, kind),
            Known::List => {
                let implied = implied_by(words.0, words.1);
                for item in context.list(node.get("items"), "items") {
                    self.object(file, found, item, implied);
                }
            }
            Known::Other => found.skipped.other_kinds += 1,
            Known::Dialect => {
                let title = format!("{} of {} is not evaluated", words.1, group(words.0));
                let help =
                    "its rules would be missing from every answer; `--ignore-unsupported` leaves it out"
                        .to_owned();
                match self.options.unsupported {
                    Unsupported::Reject => context.error("PC103", &at, title, help),
                    Unsupported::Warn => context.warning("PC103", &at, title, help),
                }
            }
            Known::Outdated(kind) => {
                let at = api_version.map_or(at, |node| node.at.clone());
                let title = format!("there is no {} of `{}`", kind.name(), words.0);
                context.error("PC102", &at, title, format!("write `apiVersion: {}`", kind.api_version()));
            }
            Known::Misspelt(meant) => {
                let title = format!("there is no kind `{}` of `{}`", words.1, words.0);
                context.error("PC101", &at, title, format!("did you mean `{meant}`?"));
            }
        }
    }

    fn known_object<'a>(&mut self, file: &File<'a>, found: &mut Found, node: &Node<'a>, kind: Kind) {
        let mut context = Context { file, problems: &mut found.problems, interner: &mut self.interner };
        let before = context.errors();
        if let Value::Map(entries) = &node.value {
            context.check_unique(entries);
        }
        let Some(of) = metadata(&mut context, node, kind) else { return };
        let id = ObjectId { kind, namespace: of.namespace.clone(), name: of.name.clone() };
        let name_at = of.name_at.clone();
        let looks = if kind == Kind::NetworkPolicy { looks(node) } else { Vec::new() };
        let is_noted = of.ignore.is_some() || kind == Kind::Namespace || !looks.is_empty();
        let note = is_noted.then(|| Note { origin: of.origin.clone(), ignore: of.ignore.clone(), looks });
        let origin = file.origin(name_at.start);
        let mut doubt = None;
        let object = match kind {
            Kind::Namespace => Some(Object::Namespace(others::namespace(&mut context, node, &of))),
            Kind::Node => Some(Object::Node(others::node(&mut context, node, &of))),
            Kind::Service => Some(Object::Service(others::service(&mut context, node, &of))),
            Kind::Pod => pods::pod(&mut context, node, &of).map(Object::Pod),
            Kind::ReplicationController
            | Kind::Deployment
            | Kind::ReplicaSet
            | Kind::StatefulSet
            | Kind::DaemonSet
            | Kind::Job
            | Kind::CronJob => pods::workload(&mut context, node, &of, kind).map(Object::Workload),
            Kind::NetworkPolicy => {
                let is_sound = context.errors() == before;
                understood(network_policy(&mut context, node, of, is_sound), &mut doubt)
            }
            Kind::ClusterNetworkPolicy => {
                cluster(&mut context, node, of, Dialect::Cluster, before, &mut doubt)
            }
            Kind::AdminNetworkPolicy => cluster(&mut context, node, of, Dialect::Admin, before, &mut doubt),
            Kind::BaselineAdminNetworkPolicy => {
                cluster(&mut context, node, of, Dialect::Baseline, before, &mut doubt)
            }
        };
        let is_unreadable = context.errors() > before;
        if is_unreadable && kind == Kind::Namespace {
            doubt = Some(Unread::Namespace);
        }
        let found_object = match (is_unreadable, self.options.unreadable) {
            (false, _) => FoundObject { id, object, name_at, origin, note, doubt: None },
            (true, Unreadable::FailClosed) => {
                FoundObject { id, object: object.filter(|_| kind.is_policy()), name_at, origin, note, doubt }
            }
            (true, Unreadable::Reject) => return,
        };
        if found_object.object.is_some() || found_object.doubt.is_some() {
            found.objects.push(found_object);
        }
    }

    fn take(&mut self, file: &File<'_>, mut found: Found, listed: Listed) {
        let mut context = Context { file, problems: &mut found.problems, interner: &mut self.interner };
        if listed == Listed::ByName {
            for at in &found.foreign {
                let help = "a manifest has an `apiVersion` and a `kind`".to_owned();
                let at = at.start..at.start + 1;
                context.error("PC008", &at, "this is no Kubernetes object".to_owned(), help);
            }
        }
        self.first.reserve(found.objects.len());
        self.objects.all.reserve(found.objects.len());
        for FoundObject { id, object, name_at, origin, note, doubt } in found.objects {
            if let Some(first) = self.first.get(&id) {
                let title = format!("{id} is given twice");
                context.error("PC104", &name_at, title, format!("it stands at {first} as well"));
                continue;
            }
            match doubt {
                Some(Unread::Policy(doubt)) => {
                    drop(self.objects.unreadable.insert(doubt.wide.id.clone(), doubt))
                }
                Some(Unread::Namespace) => {
                    self.objects.unreadable_namespaces.insert(id.name.clone(), origin.clone());
                }
                None => (),
            }
            self.first.insert(id.clone(), origin);
            self.objects.notes.extend(note.map(|note| (id.clone(), note)));
            if let Some(object) = object {
                self.objects.all.insert(id, object);
            }
        }
        self.skipped.foreign_files += usize::from(!found.foreign.is_empty() && listed == Listed::InFolder);
        self.skipped.other_kinds += found.skipped.other_kinds;
        self.skipped.helm_templates += found.skipped.helm_templates;
        self.problems.absorb(found.problems);
    }
}

fn cluster<'a>(
    context: &mut Context<'_, 'a>,
    node: &Node<'a>,
    of: super::metadata::Metadata,
    dialect: Dialect,
    before: usize,
    doubt: &mut Option<Unread>,
) -> Option<Object> {
    let is_sound = context.errors() == before;
    understood(cluster_policy(context, node, of, dialect, is_sound), doubt)
}

fn understood(read: Understood, doubt: &mut Option<Unread>) -> Option<Object> {
    *doubt = read.doubt.map(Unread::Policy);
    read.policy.map(Box::new).map(Object::Policy)
}

fn report(file: &File<'_>, problems: &mut Problems, interner: &mut Interner, broken: Broken) {
    Context { file, problems, interner }.error(broken.code, &broken.at, broken.title, broken.help);
}

/// The text, or as much of it as is one, with what comes then.
fn text(bytes: &[u8]) -> Result<&str, (&str, Broken)> {
    let checked = std::str::from_utf8(bytes);
    let valid = match checked {
        Ok(text) => text,
        Err(error) => {
            bytes.get(..error.valid_up_to()).and_then(|valid| std::str::from_utf8(valid).ok()).unwrap_or("")
        }
    };
    if let Some(at) = memchr::memchr(0, valid.as_bytes()) {
        let title = "a NUL byte: this is no text".to_owned();
        let help = bytes.starts_with(&[0xff, 0xfe]).then(|| "save the file as UTF-8".to_owned());
        return Err((valid, Broken { at: at..at + 1, code: "PC002", title, help }));
    }
    match checked {
        Ok(text) => Ok(text),
        Err(_) => {
            let at = valid.len()..valid.len();
            let title = "a byte that is no UTF-8".to_owned();
            Err((valid, Broken { at, code: "PC001", title, help: Some("save the file as UTF-8".to_owned()) }))
        }
    }
}

/// Only one of `apiVersion` and `kind`; whether that was reported. Other tools' files may have one.
fn half_named<'a>(
    context: &mut Context<'_, 'a>,
    node: &Node<'a>,
    api_version: Option<&str>,
    kind: Option<&str>,
) -> bool {
    let of =
        |key: &str| node.get(key).map_or_else(|| node.at.start..node.at.start + 1, |node| node.at.clone());
    match (api_version, kind) {
        (None, Some(word)) => match Kind::named(word) {
            Some(kind) => {
                let help = format!("write `apiVersion: {}`", kind.api_version());
                context.error("PC101", &of("kind"), format!("a {word} without `apiVersion`"), help);
                true
            }
            None => false,
        },
        (Some(word), None) if word.contains("k8s.io/") || word == "apps/v1" || word == "batch/v1" => {
            let help = "for example `kind: NetworkPolicy`".to_owned();
            context.error("PC101", &of("apiVersion"), "an object without `kind`".to_owned(), help);
            true
        }
        (_, _) => false,
    }
}

fn group(api_version: &str) -> &str {
    api_version.rsplit_once('/').map_or(api_version, |(group, _)| group)
}

fn is_helm(text: &str) -> bool {
    text.contains("{{")
}

fn helm(text: &str) -> Broken {
    let at = text.find("{{").unwrap_or_default();
    Broken {
        at: at..at + 2,
        code: "PC007",
        title: "a Helm template, not a manifest".to_owned(),
        help: Some("render it first: `helm template CHART | portcullis ... -f -`".to_owned()),
    }
}

/// Whether a text that can't be read was probably meant for Kubernetes.
fn is_like_ours(text: &str) -> bool {
    text.contains("apiVersion") || text.contains("kind:")
}

/// Says what the commonest mistakes look like.
fn explained(text: &str, broken: Broken) -> Broken {
    let at = broken.at.start.min(text.len());
    let start = text.get(..at).and_then(|before| before.rfind('\n')).map_or(0, |at| at + 1);
    let line = text.get(start..).and_then(|rest| rest.lines().next()).unwrap_or_default();
    let help = match line.trim_start().split(": ").collect::<Vec<_>>().as_slice() {
        [outer, inner, value] if !outer.contains(['{', '"', '#']) => {
            Some(format!("two keys on one line: write `{outer}: {{{}: {}}}`", inner.trim(), value.trim()))
        }
        _ if line.contains('\t') => Some("indent with spaces, not with tabs".to_owned()),
        _ => broken.help,
    };
    Broken { help, ..broken }
}
