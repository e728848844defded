//! For which accelerator a price was stated. A what-if that changes the accelerator alone keeps the price of the
//! other one; the tree then notes whose it was, so that every run of it, from its resolved text too, says so.

use super::Node;
use super::tree::{TomlNode, TomlTable, TomlValue};

/// Key of the note in `[node]` that says for which accelerator the price was stated.
pub const STATED_FOR: &str = "price_stated_for";
const PRICE: &str = "price_per_gpu_hour";

/// Notes in `root` for which accelerator the price was stated, where a layer over `before`, the `[node]` below it,
/// changed the accelerator and not the price; takes the note back where it stated a price.
pub fn note(before: Option<&TomlTable>, root: &mut TomlTable) {
    let Some(TomlValue::Table(node)) = root.entry_mut("node").map(|e| &mut e.node.value) else {
        return;
    };
    let Some((before, price)) = before.and_then(|b| Some((b, b.get(PRICE)?))) else {
        return;
    };
    if node.get(PRICE).is_some_and(|now| now.at != price.at) {
        let is_old = |now: &TomlNode| before.get(STATED_FOR).is_some_and(|old| old.at == now.at);
        if node.get(STATED_FOR).is_some_and(is_old) {
            node.remove(STATED_FOR);
        }
        return;
    }
    let (Some(old), Some(new)) = (accelerator(before), accelerator(node)) else {
        return;
    };
    if old != new && node.get(STATED_FOR).is_none() {
        let old = TomlNode::of(TomlValue::Text(old.to_string()));
        node.entries.push(super::tree::TomlEntry {
            key: STATED_FOR.to_string(),
            key_at: old.at,
            node: old,
        });
    }
}

/// Name of an accelerator's table, or that of its base; `None`: it has neither.
fn accelerator(node: &TomlTable) -> Option<&str> {
    match &node.get("gpu")?.value {
        TomlValue::Text(name) => Some(name),
        TomlValue::Table(gpu) => gpu.text("name").or(gpu.text("base")),
        _ => None,
    }
}

impl Node {
    /// A caution where the price is another accelerator's; `None`: it is this one's.
    pub fn price_caution(&self) -> Option<String> {
        let other = self.price_stated_for.as_ref()?;
        (*other != self.gpu.name).then(|| {
            format!(
                "the price of ${} per GPU-hour was stated for {other}, and the accelerator is {} now: costs and profits \
                 are none of its own; state its price, too: --set node.price_per_gpu_hour=…",
                self.price_per_gpu_hour.as_usd(),
                self.gpu.name
            )
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::{Scenario, load, load_str};

    fn cautions(set: &[&str]) -> Vec<String> {
        let set: Vec<String> = set.iter().map(|s| (*s).to_string()).collect();
        of(&load("deepseek-day", &set).unwrap())
    }

    fn of(scenario: &Scenario) -> Vec<String> {
        let all = scenario.cautions().into_iter();
        all.filter(|c| c.contains("per GPU-hour")).collect()
    }

    #[test]
    fn a_price_that_was_stated_for_another_accelerator_is_told() {
        assert!(cautions(&[]).is_empty());
        let said = cautions(&["node.gpu=b200"]);
        assert_eq!(said.len(), 1, "{said:?}");
        assert!(
            said[0].contains("$2 per GPU-hour was stated for h800") && said[0].contains("b200")
        );
        let priced = ["node.gpu=b200", "node.price_per_gpu_hour=2"];
        assert!(cautions(&priced).is_empty());
        assert!(cautions(&[priced[1], priced[0]]).is_empty());
        assert!(cautions(&["node.gpu.memory_gb=96"]).is_empty());
        assert!(cautions(&["node={ gpu = 'b200', price_per_gpu_hour = 4.0 }"]).is_empty());
    }

    #[test]
    fn who_extends_a_scenario_is_told_and_so_is_who_runs_the_resolved_text() {
        let child = "extends = 'deepseek-day'\nname = 'b200'\nnode.gpu = 'b200'\n";
        let scenario = load_str("child", child, &[]).unwrap();
        assert_eq!(of(&scenario).len(), 1);
        let again = |set: &[&str]| {
            let set: Vec<String> = set.iter().map(|s| (*s).to_string()).collect();
            load_str("again", scenario.resolved_toml(), &set).unwrap()
        };
        assert_eq!(again(&[]).hash(), scenario.hash());
        assert_eq!(of(&again(&[])), of(&scenario));
        assert!(of(&again(&["node.price_per_gpu_hour=4"])).is_empty());
        assert!(of(&again(&["node.gpu=h800"])).is_empty());
        assert!(of(&again(&["node.gpu=h200"]))[0].contains("stated for h800"));
    }
}
