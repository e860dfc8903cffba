//! From the user's files to clusters.

use std::borrow::Cow;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use ipnet::IpNet;
use policy::manifest::{
    self, Bounds, Colour, Diagnostic, Listed, Objects, Options, Settings, Severity, Skipped, Source,
    Unreadable, Unsupported,
};
use policy::model::{Cluster, Host, Origin};

use crate::input::{self, Content, Found};
use crate::{output, progress};

/// Where a cluster is read from, the same in every subcommand.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Files {
    /// The cluster with its policies: files, folders (recursive), or `-` for standard input
    #[arg(short = 'f', long = "filename", value_name = "PATH", required = true)]
    pub(crate) files: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) reading: Reading,
}

/// How manifests are read, and what is added to them.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Reading {
    /// Hosts outside the cluster: name,address,ports
    #[arg(long, value_name = "FILE")]
    pub(crate) hosts: Option<PathBuf>,
    /// How many nodes there are, where the manifests have none
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub(crate) nodes: u16,
    /// The most pods that a workload gets
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) replicas: u32,
    /// Where pods without an address get one, if their node doesn't say [default: 10.244.0.0/16 and
    /// `fd00:10:244::/64`]
    #[arg(long = "pod-network", value_name = "CIDR", value_delimiter = ',')]
    pub(crate) pod_networks: Vec<IpNet>,
    /// Warn about policies of other dialects instead of refusing them
    #[arg(long)]
    pub(crate) ignore_unsupported: bool,
    /// Don't stop at objects that can't be read: verdicts that hang on them are `unknown` (the lab closes
    /// policies where they can't be read, as a node would)
    #[arg(long)]
    pub(crate) keep_going: bool,
}

impl Reading {
    fn options(&self) -> Options {
        Options {
            unreadable: if self.keep_going { Unreadable::FailClosed } else { Unreadable::Reject },
            unsupported: if self.ignore_unsupported { Unsupported::Warn } else { Unsupported::Reject },
        }
    }

    fn settings(&self, hosts: Vec<Host>) -> Settings {
        let pod_networks = self.pod_networks.clone();
        Settings { nodes: usize::from(self.nodes), replicas: self.replicas, pod_networks, hosts }
    }
}

/// The cluster of `files`, then what it is after each of the steps, which are laid on top one after another.
/// What is wrong in any of the files is said at once, on standard error.
pub(crate) fn states(files: &Files, steps: &[PathBuf]) -> Result<Vec<Cluster>> {
    let Files { files, reading } = files;
    let mut findings = Findings::default();
    let mut layers = vec![findings.objects(input::read(files)?, reading.options())];
    for step in steps {
        layers.push(findings.objects(input::read(std::slice::from_ref(step))?, reading.options()));
    }
    let settings = reading.settings(findings.hosts(reading.hosts.as_deref())?);
    let mut objects = Objects::default();
    let mut clusters = Vec::with_capacity(layers.len());
    for layer in layers {
        objects.overlay(layer);
        let (cluster, diagnostics) = objects.cluster(&settings);
        findings.add(diagnostics);
        clusters.push(cluster);
    }
    findings.tell(reading.keep_going)?;
    say_what_follows(&clusters);
    Ok(clusters)
}

/// A cluster as it was read.
pub(crate) struct Understood {
    /// Closed where it can't be read, as a node would have it.
    pub(crate) cluster: Cluster,
    /// With `--keep-going`: its two readings, where some objects can't be read in full.
    pub(crate) bounds: Option<Bounds>,
}

/// The cluster of `files`, and what of it is in doubt.
pub(crate) fn understood(files: &Files) -> Result<Understood> {
    let Files { files, reading } = files;
    let mut findings = Findings::default();
    let objects = findings.objects(input::read(files)?, reading.options());
    let settings = reading.settings(findings.hosts(reading.hosts.as_deref())?);
    let (cluster, diagnostics) = objects.cluster(&settings);
    findings.add(diagnostics);
    findings.tell(reading.keep_going)?;
    say_what_follows([&cluster]);
    Ok(Understood { bounds: objects.bounds(&cluster), cluster })
}

/// The cluster of these files, and all that is wrong with them, which is still to be said.
pub(crate) fn examined(files: &[PathBuf], reading: &Reading) -> Result<(Cluster, Vec<Diagnostic>)> {
    let mut findings = Findings::default();
    let objects = findings.objects(input::read(files)?, reading.options());
    let settings = reading.settings(findings.hosts(reading.hosts.as_deref())?);
    let (cluster, diagnostics) = objects.cluster(&settings);
    findings.add(diagnostics);
    output::note(&passed_over(&findings.skipped));
    say_what_follows([&cluster]);
    Ok((cluster, findings.diagnostics))
}

/// What can't be read in full, in a sentence each.
pub(crate) fn doubts(bounds: &Bounds) -> Vec<String> {
    let sentence = |(what, origin): &(String, Origin)| format!("{what} can't be read in full ({origin})");
    bounds.unreadable.iter().map(sentence).collect()
}

/// Two clusters that share something; what each has itself goes before that.
pub(crate) fn sides(
    shared: Vec<Content>,
    sides: [Vec<Content>; 2],
    reading: &Reading,
) -> Result<[Understood; 2]> {
    let mut findings = Findings::default();
    let shared = findings.objects(shared, reading.options());
    let sides = sides.map(|side| findings.objects(side, reading.options()));
    let settings = reading.settings(findings.hosts(reading.hosts.as_deref())?);
    let sides = sides.map(|side| {
        let mut objects = shared.clone();
        objects.overlay(side);
        let (cluster, diagnostics) = objects.cluster(&settings);
        findings.add(diagnostics);
        Understood { bounds: objects.bounds(&cluster), cluster }
    });
    findings.tell(reading.keep_going)?;
    say_what_follows(sides.each_ref().map(|side| &side.cluster));
    Ok(sides)
}

impl Understood {
    /// The cluster, read as narrowly as it may be meant where it is in doubt.
    pub(crate) fn narrow(&self) -> &Cluster {
        self.bounds.as_ref().map_or(&self.cluster, |bounds| &bounds.narrow)
    }
}

/// All that is to be said about the files.
#[derive(Default)]
struct Findings {
    diagnostics: Vec<Diagnostic>,
    skipped: Skipped,
}

impl Findings {
    fn objects(&mut self, contents: Vec<Content>, options: Options) -> Objects {
        let read = manifest::read(contents.into_iter().inspect(say_which).map(source), options);
        self.add(read.diagnostics);
        self.skipped.foreign_files += read.skipped.foreign_files;
        self.skipped.helm_templates += read.skipped.helm_templates;
        self.skipped.other_kinds += read.skipped.other_kinds;
        read.objects
    }

    fn hosts(&mut self, file: Option<&Path>) -> Result<Vec<Host>> {
        let Some(file) = file else { return Ok(Vec::new()) };
        let name = file.display().to_string().into();
        Ok(manifest::hosts(name, &input::text(file)?).unwrap_or_else(|diagnostics| {
            self.add(diagnostics);
            Vec::new()
        }))
    }

    /// Each once: a step repeats what its cluster had.
    fn add(&mut self, diagnostics: Vec<Diagnostic>) {
        for diagnostic in diagnostics {
            if !self.diagnostics.contains(&diagnostic) {
                self.diagnostics.push(diagnostic);
            }
        }
    }

    /// Says all of it. An error where there is no answer to trust (D15).
    fn tell(&self, keep_going: bool) -> Result<()> {
        say(&self.diagnostics);
        output::note(&passed_over(&self.skipped));
        let is_error = |diagnostic: &&Diagnostic| diagnostic.severity == Severity::Error;
        match self.diagnostics.iter().filter(is_error).count() {
            0 => Ok(()),
            _ if keep_going => Ok(()),
            1 => bail!("1 problem in the manifests"),
            count => bail!("{count} problems in the manifests"),
        }
    }
}

fn say_which(content: &Content) {
    progress::say(&format!("understanding {}, {} MB", content.name, content.bytes.len() / 1_000_000));
}

/// What every command that has read clusters does with them next.
fn say_what_follows<'a>(clusters: impl IntoIterator<Item = &'a Cluster>) {
    let (endpoints, policies) = clusters.into_iter().fold((0, 0), |(endpoints, policies), cluster| {
        (endpoints + cluster.endpoints.len(), policies + cluster.policies.len())
    });
    progress::say(&format!("deciding, {endpoints} endpoints and {policies} policies"));
}

/// Says what is wrong with files, on standard error.
pub(crate) fn say(diagnostics: &[Diagnostic]) {
    let colour = if io::stderr().is_terminal() { Colour::Ansi } else { Colour::Plain };
    let rendered = diagnostics.iter().map(|diagnostic| diagnostic.render(colour));
    output::note(&rendered.collect::<Vec<_>>().join("\n"));
}

fn source(content: Content) -> Source<'static> {
    let listed = match content.found {
        Found::Named => Listed::ByName,
        Found::InFolder => Listed::InFolder,
    };
    Source { name: content.name.into(), bytes: Cow::Owned(content.bytes), listed }
}

fn passed_over(skipped: &Skipped) -> String {
    let files = match skipped.foreign_files {
        0 => String::new(),
        1 => "note: 1 file is no manifest and was passed over\n".to_owned(),
        count => format!("note: {count} files are no manifests and were passed over\n"),
    };
    let templates = match skipped.helm_templates {
        0 => String::new(),
        1 => "note: 1 file is a Helm template; `helm template` makes a manifest of it\n".to_owned(),
        count => format!("note: {count} files are Helm templates; `helm template` makes manifests of them\n"),
    };
    files + &templates
}
