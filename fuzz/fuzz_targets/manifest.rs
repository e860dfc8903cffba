//! Any bytes: read as a manifest by name and found in a folder, with and without `--keep-going`, made a
//! cluster, every diagnostic rendered.
#![no_main]

use libfuzzer_sys::fuzz_target;
use policy::manifest::{Colour, Listed, Options, Settings, Source, Unreadable, Unsupported, hosts, read};

fuzz_target!(|bytes: &[u8]| {
    for (listed, unreadable) in [(Listed::ByName, Unreadable::FailClosed), (Listed::InFolder, Unreadable::Reject)] {
        let source = Source { name: "fuzz.yaml".into(), bytes: bytes.into(), listed };
        let read = read([source], Options { unreadable, unsupported: Unsupported::Warn });
        for diagnostic in &read.diagnostics {
            let rendered = diagnostic.render(Colour::Plain);
            assert!(rendered.contains(diagnostic.code));
        }
        let mut objects = read.objects.clone();
        objects.overlay(read.objects);
        let (cluster, _) = objects.cluster(&Settings::default());
        assert!(cluster.endpoints.values().all(|pod| pod.addresses.len() <= 2));
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = hosts("hosts.csv".into(), text);
    }
});
