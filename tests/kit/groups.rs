//! Group documents (OMA list-service XML) for a test's own groups directory.
//! It writes what a test says, also nonsense.

use std::path::{Path, PathBuf};

/// One group: its URI and its whole document.
#[derive(Clone, Debug)]
pub struct Group {
    pub uri: String,
    pub xml: String,
}

/// One rule of a document: its conditions (XML) and the actions it allows.
#[derive(Clone, Debug)]
pub struct Rule {
    conditions: String,
    actions: Vec<(String, String)>,
}

impl Rule {
    pub fn when(conditions: &str) -> Rule {
        Rule {
            conditions: conditions.to_string(),
            actions: Vec::new(),
        }
    }

    pub fn members() -> Rule {
        Rule::when("<is-list-member/>")
    }

    pub fn everybody() -> Rule {
        Rule::when("<cp:identity><cp:many/></cp:identity>")
    }

    pub fn one(identity: &str) -> Rule {
        Rule::when(&format!(
            "<cp:identity><cp:one id=\"{identity}\"/></cp:identity>"
        ))
    }

    pub fn allow(self, action: &str) -> Rule {
        self.action(action, "true")
    }

    pub fn action(mut self, action: &str, value: &str) -> Rule {
        self.actions.push((action.to_string(), value.to_string()));
        self
    }
}

impl Group {
    pub fn new(uri: &str, members: &[&str], rules: &[Rule]) -> Group {
        Group::limited(uri, members, None, rules)
    }

    pub fn limited(uri: &str, members: &[&str], max: Option<u32>, rules: &[Rule]) -> Group {
        let entries: String = members
            .iter()
            .map(|m| format!("<entry uri=\"{m}\"/>"))
            .collect();
        let max = max
            .map(|n| format!("<max-participant-count>{n}</max-participant-count>"))
            .unwrap_or_default();
        let rules: String = rules
            .iter()
            .enumerate()
            .map(|(i, rule)| rule_xml(i, rule))
            .collect();
        let xml = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<group xmlns=\"urn:oma:xml:poc:list-service\" \
             xmlns:rl=\"urn:ietf:params:xml:ns:resource-lists\" xmlns:cp=\"urn:ietf:params:xml:ns:common-policy\" \
             xmlns:ocp=\"urn:oma:xml:xdm:common-policy\" xmlns:oxe=\"urn:oma:xml:xdm:extensions\">\n\
             <list-service uri=\"{uri}\"><display-name xml:lang=\"en\">Test</display-name>\n\
             <list>{entries}</list><invite-members>false</invite-members>{max}\n\
             <cp:ruleset>\n{rules}</cp:ruleset></list-service></group>\n"
        );
        Group {
            uri: uri.to_string(),
            xml,
        }
    }

    /// Members may do everything but be anonymous, everybody may join: the session "S" of requirements.md section 7.
    pub fn open(name: &str, members: &[&str]) -> Group {
        let uri = format!("sip:{name}@groups.home1.test");
        Group::new(
            &uri,
            members,
            &[
                all_actions(Rule::members()),
                Rule::everybody().allow("join-handling"),
            ],
        )
    }

    /// As `open`, and members may be anonymous too.
    pub fn discreet(name: &str, members: &[&str]) -> Group {
        let uri = format!("sip:{name}@groups.home1.test");
        let member = all_actions(Rule::members()).allow("allow-anonymity");
        Group::new(
            &uri,
            members,
            &[member, Rule::everybody().allow("join-handling")],
        )
    }

    /// The sample of requirements.md section 3, to the letter: the session "G" of section 7.
    pub fn sample() -> Group {
        Group {
            uri: "sip:team@groups.home1.test".to_string(),
            xml: SAMPLE.to_string(),
        }
    }

    /// As the sample, but whom it knows may start the session, and nobody is called together.
    pub fn closed() -> Group {
        let start = |rule: Rule| {
            rule.allow("join-handling")
                .allow("allow-initiate-conference")
        };
        let alice = Rule::one("sip:alice@home1.test");
        let known = "<cp:identity><cp:many domain=\"home1.test\"><cp:except id=\"sip:mallory@home1.test\"/></cp:many>\
                     </cp:identity>";
        Group::new(
            "sip:closed@groups.home1.test",
            &["sip:alice@home1.test", "tel:+358401234567"],
            &[
                start(Rule::members()),
                alice
                    .allow("allow-invite-users-dynamically")
                    .allow("allow-anonymity"),
                start(Rule::when(known)),
            ],
        )
    }

    pub fn raw(uri: &str, xml: &str) -> Group {
        Group {
            uri: uri.to_string(),
            xml: xml.to_string(),
        }
    }

    /// Writes the document into the directory, under a name made of its URI.
    pub fn write(&self, dir: &Path) -> PathBuf {
        let name: String = self
            .uri
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
            .collect();
        let path = dir.join(format!("{name}.xml"));
        std::fs::write(&path, &self.xml).expect("a group document can be written");
        path
    }
}

/// Everything a document can allow but anonymity.
pub fn all_actions(rule: Rule) -> Rule {
    rule.allow("join-handling")
        .allow("allow-initiate-conference")
        .allow("allow-invite-users-dynamically")
        .allow("allow-conference-state")
        .allow("oxe:allow-expelling")
}

fn rule_xml(number: usize, rule: &Rule) -> String {
    let actions: String = rule
        .actions
        .iter()
        .map(|(name, value)| format!("<{name}>{value}</{name}>"))
        .collect();
    format!(
        "<cp:rule id=\"r{number}\"><cp:conditions>{}</cp:conditions><cp:actions>{actions}</cp:actions></cp:rule>\n",
        rule.conditions
    )
}

const SAMPLE: &str = r#"<group xmlns="urn:oma:xml:poc:list-service" xmlns:rl="urn:ietf:params:xml:ns:resource-lists"
       xmlns:cp="urn:ietf:params:xml:ns:common-policy" xmlns:ocp="urn:oma:xml:xdm:common-policy"
       xmlns:oxe="urn:oma:xml:xdm:extensions">
 <list-service uri="sip:team@groups.home1.test">
  <display-name xml:lang="en">Team</display-name>
  <list><entry uri="sip:alice@home1.test"/><entry uri="tel:+358401234567"/></list>
  <invite-members>true</invite-members><max-participant-count>5</max-participant-count>
  <cp:ruleset>
   <cp:rule id="r1"><cp:conditions><is-list-member/></cp:conditions>
    <cp:actions><join-handling>true</join-handling><allow-conference-state>true</allow-conference-state></cp:actions></cp:rule>
   <cp:rule id="r2"><cp:conditions><cp:identity><cp:one id="sip:alice@home1.test"/></cp:identity></cp:conditions>
    <cp:actions><allow-invite-users-dynamically>true</allow-invite-users-dynamically><allow-anonymity>true</allow-anonymity>
     <oxe:allow-expelling>true</oxe:allow-expelling></cp:actions></cp:rule>
   <cp:rule id="r3"><cp:conditions><cp:identity><cp:many domain="home1.test"><cp:except id="sip:mallory@home1.test"/></cp:many></cp:identity></cp:conditions>
    <cp:actions><join-handling>true</join-handling></cp:actions></cp:rule>
  </cp:ruleset>
 </list-service></group>
"#;
