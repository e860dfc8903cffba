//! `test --init`: a file of assertions that pins what is allowed today.
//!
//! Each workload gets a test about who reaches it, and one about what it reaches outside. Of the ways to say
//! that, from the shortest to the most explicit, the first is written that the engine finds to hold, so the
//! file is true when it is written.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use policy::analyse::assertions::{Test, violations, wanted};
use policy::analyse::can::{Question, parts};
use policy::analyse::names::{self, Asked, Ends, Name, Target};
use policy::analyse::reach::{Reach, Unit};
use policy::decision::{Exemption, Reason, Verdict};
use policy::index::Index;
use policy::manifest;
use policy::model::{Cluster, Endpoint, Path};
use policy::rows::Families;

use super::pins::{Claim, How, Naming, Pins, yaml};
use crate::manifests::{self, Files};
use crate::{Outcome, output};

pub(super) fn run(files: &Files, to: &[PathBuf]) -> Result<Outcome> {
    let Some(cluster) = manifests::states(files, &[])?.pop() else { bail!("there is no cluster") };
    let index = Index::compile(&cluster);
    let text = pinned(&cluster, &index)?;
    match to {
        [] => output::print(&text)?,
        [path] if path.as_os_str() == "-" => output::print(&text)?,
        [path] => {
            let file = OpenOptions::new().write(true).create_new(true).open(path);
            let written = file.and_then(|mut file| file.write_all(text.as_bytes()));
            written.with_context(|| format!("cannot write `{}`", path.display()))?;
        }
        [_, _, ..] => bail!("--init writes one file"),
    }
    Ok(Outcome::Clean)
}

fn pinned(cluster: &Cluster, index: &Index) -> Result<String> {
    let reach = Reach::of(cluster, index);
    let pinning = Pinning {
        cluster,
        index,
        everyone: Ends { hosts: Vec::new(), ..names::everyone(cluster) },
        outside: names::ends(cluster, index, &Name::Outside)?,
    };
    let mut claims = Vec::new();
    for unit in &reach.units {
        claims.extend(pinning.reaching(unit));
        if unit.is_source {
            claims.extend(pinning.out_of(unit));
        }
    }
    Ok(yaml(&claims))
}

struct Pinning<'a> {
    cluster: &'a Cluster,
    index: &'a Index,
    everyone: Ends<'a>,
    outside: Ends<'a>,
}

impl<'a> Pinning<'a> {
    /// Who reaches a workload.
    fn reaching(&self, unit: &Unit<'a>) -> Option<Claim> {
        let pins = self.pins(&self.everyone, &self.of(unit), |part| &part.sources);
        let ways = Naming::ALL.into_iter().flat_map(|naming| {
            let how = self.how(naming, unit);
            [pins.exactly(&unit.id, &how), pins.each_into(&unit.id, &how)]
        });
        self.first(ways.flatten())
    }

    /// What a workload reaches outside; where that is some of it, what it reaches at all.
    fn out_of(&self, unit: &Unit<'a>) -> Option<Claim> {
        let pins = self.pins(&self.of(unit), &self.outside, |part| &part.destinations);
        let all =
            pins.is_mixed().then(|| self.pins(&self.of(unit), &self.everyone, |part| &part.destinations));
        let reaches = all
            .iter()
            .flat_map(|all| Naming::ALL.map(|naming| all.reaches(&unit.id, &self.how(naming, unit))));
        let each = Naming::ALL.map(|naming| pins.each_out_of(&unit.id, &self.how(naming, unit)));
        self.first(reaches.chain(each).flatten())
    }

    fn how(&self, naming: Naming, unit: &Unit<'a>) -> How<'_> {
        How { naming, cluster: self.cluster, pods: self.others(unit), outside: &self.outside.addresses }
    }

    fn of(&self, unit: &Unit<'a>) -> Ends<'a> {
        Ends { pods: unit.pods.clone(), ..Ends::default() }
    }

    /// The pods of which a workload may be told: a single pod isn't asked about itself.
    fn others(&self, unit: &Unit<'a>) -> Vec<&'a Endpoint> {
        let is_other = |pod: &&&Endpoint| unit.pods.len() > 1 || unit.pods.iter().all(|own| own.id != pod.id);
        self.everyone.pods.iter().filter(is_other).copied().collect()
    }

    fn pins(
        &self,
        sources: &Ends<'a>,
        destinations: &Ends<'a>,
        side: impl Fn(&policy::analyse::can::Part<policy::analyse::can::Chain>) -> &policy::analyse::can::Group,
    ) -> Pins {
        let target = Target { ends: destinations.clone(), asked: Asked::Everything, path: Path::Direct };
        let question =
            Question { sources: sources.clone(), targets: vec![target], families: Families::Natural };
        let mut pins = Pins::default();
        for part in parts(self.cluster, self.index, &question) {
            let reason = part.answer.ingress.ruling.reason;
            // A node always reaches its own pods: nothing to pin. Nor is a pod that reaches itself.
            let is_given = [Exemption::OwnNode, Exemption::Loopback].map(Reason::Exempt).contains(&reason);
            if !is_given {
                let verdict: Verdict = part.answer.verdict();
                pins.add(verdict, side(&part), &part.ports);
            }
        }
        pins
    }

    /// The first claim that holds, as it is read back from the file.
    fn first(&self, mut ways: impl Iterator<Item = Claim>) -> Option<Claim> {
        ways.find(|claim| {
            let read = manifest::assertions("-".into(), &yaml(std::slice::from_ref(claim)));
            read.is_ok_and(|tests| !tests.is_empty() && tests.iter().all(|test| self.holds(test)))
        })
    }

    fn holds(&self, test: &Test) -> bool {
        test.assertions.iter().all(|assertion| {
            let Ok(wanted) = wanted(self.cluster, self.index, test, assertion, None) else { return false };
            wanted.iter().all(|one| violations(self.cluster, self.index, one).is_ok_and(|all| all.is_empty()))
        })
    }
}
