//! The rows of a table, and the engine's verdicts on them.

use policy::index::Index;
use policy::rows::csv::parse_port;
use policy::rows::{Families, Options, OwnPods, PodPorts, rows, split};

use crate::given::scenarios::steps;

const USUAL: Options =
    Options { ports: PodPorts::Containers, own: OwnPods::Left, families: Families::Natural };

#[test]
fn the_rows_of_every_step_of_every_scenario_are_those_of_its_table_in_its_order() {
    let steps = steps();
    assert!(steps.len() >= 19, "{} steps", steps.len());
    for step in &steps {
        let index = Index::compile(&step.cluster);
        let mut lines = Vec::new();
        for row in rows(&step.cluster, &USUAL) {
            let verdicts: Vec<_> = row.pairs.iter().map(|pair| index.decide(&pair.flow).verdict()).collect();
            for part in split(&row, &verdicts, |verdict| *verdict) {
                let (row, verdict) = (part.row, part.answer);
                lines.push(format!(
                    "{},{},{}/{},{verdict}",
                    row.source, row.destination, row.port, row.protocol
                ));
            }
        }
        let expected: Vec<&str> = step.rows.iter().map(|row| row.text.as_str()).collect();
        assert_eq!(lines, expected, "{}", step.title);
    }
}

#[test]
fn a_port_is_a_number_and_a_protocol() {
    for wrong in ["", "80", "tcp/80", "0/tcp", "65536/tcp", "80/icmp", "80/tcp/x", " 80/tcp"] {
        assert_eq!(parse_port(wrong), None, "{wrong}");
    }
}
