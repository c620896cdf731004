//! The Warning header we send (RFC 3261 section 20.43).

use super::text;

/// `399 host "text"`: the miscellaneous warn-code, whose text OMA services begin with a number of
/// their own. Quotes and backslashes in the text are escaped, control characters become blanks; an
/// `agent_host` that is no host (a port and IPv6 brackets are fine) is replaced by `-`.
pub fn warning(agent_host: &str, text: &str) -> String {
    let agent = if is_agent(agent_host) {
        agent_host
    } else {
        "-"
    };
    let text = text::one_line(text)
        .replace('\\', "\\\\")
        .replace('"', "\\\"");
    format!("399 {agent} \"{text}\"")
}

fn is_agent(host: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b".:-_[]".contains(&b);
    !host.is_empty() && host.len() <= 255 && host.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn form() {
        assert_eq!(
            warning("conf.home1.test", "119 Anonymity not allowed"),
            "399 conf.home1.test \"119 Anonymity not allowed\""
        );
        assert_eq!(warning("[::1]:5060", "x"), "399 [::1]:5060 \"x\"");
    }

    #[test]
    fn nothing_gets_out_of_the_quotes() {
        assert_eq!(
            warning("a b\r\n", "say \"\\\" \r\nX: y\0"),
            "399 - \"say \\\"\\\\\\\"   X: y \""
        );
    }
}
