//! Selectors and peers as people say them.

use crate::model::{Attribute, NAMESPACE_NAME_LABEL, Peer, Peers, Selector};

/// `all pods in namespace shop`, `pods with app=web in namespaces with team=a`.
pub fn pods(selector: &Selector) -> String {
    let parts = match selector {
        Selector::All(parts) => parts.as_slice(),
        one @ (Selector::Any(_) | Selector::Not(_) | Selector::In(..) | Selector::Has(_)) => {
            std::slice::from_ref(one)
        }
    };
    let mut said: [Vec<String>; 3] = Default::default();
    let [own, names, inherited] = &mut said;
    for part in parts {
        match (place(part), named(part)) {
            (_, Some(name)) => names.push(name),
            (Some(Place::Namespace), None) => inherited.push(without_mark(part)),
            (Some(Place::Pod), None) => own.push(part.to_string()),
            // Parts about both can't be taken apart.
            (None, None) => return format!("pods with {selector}"),
        }
    }
    let pods = match own.is_empty() {
        true => "all pods".to_owned(),
        false => format!("pods with {}", own.join(", ")),
    };
    let within = match (names.as_slice(), inherited.is_empty()) {
        ([], true) => String::new(),
        (names, true) => format!(" in {}", names.join(" and ")),
        ([], false) => format!(" in namespaces with {}", inherited.join(", ")),
        (names, false) => format!(" in {}, with {}", names.join(" and "), inherited.join(", ")),
    };
    pods + &within
}

/// What a selector's part is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Pod,
    Namespace,
}

/// `None` where it is about both, or about nothing.
fn place(selector: &Selector) -> Option<Place> {
    match selector {
        Selector::In(of, _) | Selector::Has(of) => Some(match of {
            Attribute::Label(_) | Attribute::ServiceAccountName => Place::Pod,
            Attribute::NamespaceLabel(_) | Attribute::NamespaceName => Place::Namespace,
        }),
        Selector::Not(inner) => place(inner),
        Selector::All(parts) | Selector::Any(parts) => {
            let mut places = parts.iter().map(place);
            let first = places.next()??;
            places.all(|place| place == Some(first)).then_some(first)
        }
    }
}

/// `namespace shop`, `namespaces shop or stock`, where the names are all that is asked of the namespace.
fn named(selector: &Selector) -> Option<String> {
    let names = match selector {
        Selector::In(Attribute::NamespaceName, names) => names,
        Selector::In(Attribute::NamespaceLabel(key), names) if key.as_ref() == NAMESPACE_NAME_LABEL => names,
        Selector::In(..) | Selector::Has(_) | Selector::Not(_) | Selector::All(_) | Selector::Any(_) => {
            return None;
        }
    };
    match names.as_slice() {
        [] => None,
        [name] => Some(format!("namespace {name}")),
        names => Some(format!("namespaces {}", names.join(" or "))),
    }
}

/// The sentence says already that it is about namespaces.
fn without_mark(selector: &Selector) -> String {
    selector.to_string().replace("namespace:", "")
}

/// The other ends of a rule, one each.
pub fn peers(peers: &Peers) -> Vec<String> {
    match peers {
        Peers::Any => vec!["anyone".to_owned()],
        Peers::Of(peers) if peers.is_empty() => vec!["nobody".to_owned()],
        Peers::Of(peers) => peers.iter().map(peer).collect(),
    }
}

fn peer(peer: &Peer) -> String {
    match peer {
        Peer::Pods(selector) => pods(selector),
        Peer::Block(block) => format!("addresses {block}"),
        Peer::Nodes(selector) if *selector == Selector::everything() => "all nodes".to_owned(),
        Peer::Nodes(selector) => format!("nodes with {selector}"),
        Peer::Domains(names) => format!("domains {}", names.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn label(key: &str, value: &str) -> Selector {
        Selector::is_in(Attribute::Label(key.into()), vec![value.into()])
    }

    fn of_namespace(key: &str, value: &str) -> Selector {
        Selector::is_in(Attribute::NamespaceLabel(key.into()), vec![value.into()])
    }

    #[test]
    fn selectors_are_said() {
        let said = |selector: Selector| pods(&selector);
        assert_eq!(said(Selector::everything()), "all pods");
        assert_eq!(said(Selector::namespace("shop")), "all pods in namespace shop");
        assert_eq!(
            said(label("app", "web").and(Selector::namespace("shop"))),
            "pods with app=web in namespace shop"
        );
        assert_eq!(
            said(
                label("app", "web")
                    .and(of_namespace("team", "a"))
                    .and(Selector::Has(Attribute::Label("x".into())))
            ),
            "pods with app=web, x in namespaces with team=a"
        );
        assert_eq!(said(of_namespace(NAMESPACE_NAME_LABEL, "dns")), "all pods in namespace dns");
        assert_eq!(
            said(of_namespace(NAMESPACE_NAME_LABEL, "dns").and(of_namespace("team", "a"))),
            "all pods in namespace dns, with team=a"
        );
        let not = Selector::Not(Box::new(of_namespace("team", "a")));
        assert_eq!(said(not), "all pods in namespaces with team!=a");
        let either = Selector::Any(vec![label("app", "web"), of_namespace("team", "a")]);
        assert_eq!(said(either), "pods with app=web or namespace:team=a");
    }
}
