//! SIP messages for the tests: built from parts, taken apart again, header by header.

/// A request or a response: start line, headers in order, body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Msg {
    pub start: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Msg {
    pub fn request(method: &str, uri: &str) -> Msg {
        Msg {
            start: format!("{method} {uri} SIP/2.0"),
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    pub fn status_line(status: u16, reason: &str) -> Msg {
        Msg {
            start: format!("SIP/2.0 {status} {reason}"),
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    /// A response to this request: Via, From, To, Call-ID, CSeq and Record-Route copied (RFC 3261 sections 8.2.6 and 12.1.1).
    pub fn response(&self, status: u16, reason: &str) -> Msg {
        let mut response = Msg::status_line(status, reason);
        for (name, value) in &self.headers {
            if ["via", "from", "to", "call-id", "cseq", "record-route"]
                .contains(&canonical(name).as_str())
            {
                response.headers.push((name.clone(), value.clone()));
            }
        }
        response
    }

    /// The CANCEL of this request as it was sent (RFC 3261 section 9.1).
    pub fn cancel(&self) -> Msg {
        self.shadow("CANCEL", self.need("To"))
    }

    /// The ACK to a final answer of this request that is no 2xx (RFC 3261 section 17.1.1.3).
    pub fn ack_to_failure(&self, answer: &Msg) -> Msg {
        self.shadow("ACK", answer.need("To"))
    }

    fn shadow(&self, method: &str, to: &str) -> Msg {
        let mut shadow = Msg::request(method, self.request_uri()).with("To", to);
        for name in ["Via", "Max-Forwards", "From", "Call-ID"] {
            shadow = shadow.with(name, self.need(name));
        }
        shadow.with("CSeq", format!("{} {method}", self.cseq()))
    }

    /// Takes one whole message apart. The body is everything behind the empty line.
    pub fn parse(raw: &[u8]) -> Result<Msg, String> {
        let end = find(raw, b"\r\n\r\n").ok_or("no empty line behind the headers")?;
        let head = String::from_utf8_lossy(&raw[..end]).into_owned();
        let mut lines: Vec<String> = Vec::new();
        for line in head.split("\r\n") {
            match lines.last_mut() {
                Some(last) if line.starts_with([' ', '\t']) => {
                    last.push(' ');
                    last.push_str(line.trim());
                }
                _ => lines.push(line.to_string()),
            }
        }
        let mut lines = lines.into_iter();
        let start = lines
            .next()
            .filter(|s| s.contains("SIP/2.0"))
            .ok_or("no start line")?;
        let mut headers = Vec::new();
        for line in lines {
            let (name, value) = line.split_once(':').ok_or(format!("no header: {line:?}"))?;
            headers.push((name.trim().to_string(), value.trim().to_string()));
        }
        Ok(Msg {
            start,
            headers,
            body: raw[end + 4..].to_vec(),
        })
    }

    /// The bytes, with a Content-Length added unless one was set by hand.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = format!("{}\r\n", self.start);
        for (name, value) in &self.headers {
            out.push_str(&format!("{name}: {value}\r\n"));
        }
        if self.header("Content-Length").is_none() {
            out.push_str(&format!("Content-Length: {}\r\n", self.body.len()));
        }
        out.push_str("\r\n");
        let mut bytes = out.into_bytes();
        bytes.extend_from_slice(&self.body);
        bytes
    }

    pub fn is_request(&self) -> bool {
        !self.start.starts_with("SIP/2.0")
    }

    pub fn method(&self) -> &str {
        if self.is_request() {
            self.start.split(' ').next().unwrap_or("")
        } else {
            ""
        }
    }

    pub fn request_uri(&self) -> &str {
        self.start.split(' ').nth(1).unwrap_or("")
    }

    /// The status code; 0 for a request.
    pub fn status(&self) -> u16 {
        if self.is_request() {
            return 0;
        }
        self.start
            .split(' ')
            .nth(1)
            .and_then(|s| s.parse().ok())
            .unwrap_or(0)
    }

    pub fn reason(&self) -> &str {
        self.start.splitn(3, ' ').nth(2).unwrap_or("")
    }

    /// The first header line of that name, long or compact.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.all(name).first().copied()
    }

    /// The first header line of that name; panics with the whole message when there is none.
    pub fn need(&self, name: &str) -> &str {
        self.header(name)
            .unwrap_or_else(|| panic!("no {name} in:\n{self}"))
    }

    /// Every header line of that name.
    pub fn all(&self, name: &str) -> Vec<&str> {
        let wanted = canonical(name);
        self.headers
            .iter()
            .filter(|(n, _)| canonical(n) == wanted)
            .map(|(_, v)| v.as_str())
            .collect()
    }

    /// Every value of that name, comma-separated ones apart.
    pub fn list(&self, name: &str) -> Vec<String> {
        self.all(name)
            .iter()
            .flat_map(|line| split_top(line, ','))
            .filter(|v| !v.is_empty())
            .collect()
    }

    /// Whether a comma-separated header holds that token (case-insensitive, parameters ignored).
    pub fn has_token(&self, name: &str, token: &str) -> bool {
        self.list(name).iter().any(|v| {
            v.split(';')
                .next()
                .unwrap_or("")
                .trim()
                .eq_ignore_ascii_case(token)
        })
    }

    pub fn call_id(&self) -> &str {
        self.header("Call-ID").unwrap_or("")
    }

    pub fn cseq(&self) -> u32 {
        self.header("CSeq")
            .and_then(|v| v.split_whitespace().next())
            .and_then(|n| n.parse().ok())
            .unwrap_or(0)
    }

    pub fn cseq_method(&self) -> &str {
        self.header("CSeq")
            .and_then(|v| v.split_whitespace().nth(1))
            .unwrap_or("")
    }

    pub fn tag_from(&self) -> Option<String> {
        param(self.header("From")?, "tag")
    }

    pub fn tag_to(&self) -> Option<String> {
        param(self.header("To")?, "tag")
    }

    /// The branch of the topmost Via.
    pub fn branch(&self) -> Option<String> {
        param(
            &split_top(self.header("Via")?, ',').into_iter().next()?,
            "branch",
        )
    }

    /// The URI of the only Contact; panics when there is none.
    pub fn contact_uri(&self) -> String {
        uri_of(self.need("Contact"))
    }

    pub fn body_text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Replaces every header of that name by one.
    pub fn with(mut self, name: &str, value: impl AsRef<str>) -> Msg {
        let wanted = canonical(name);
        let at = self
            .headers
            .iter()
            .position(|(n, _)| canonical(n) == wanted);
        self.headers.retain(|(n, _)| canonical(n) != wanted);
        let line = (name.to_string(), value.as_ref().to_string());
        match at {
            Some(at) => self.headers.insert(at, line),
            None => self.headers.push(line),
        }
        self
    }

    /// Adds one more header line.
    pub fn and(mut self, name: &str, value: impl AsRef<str>) -> Msg {
        self.headers
            .push((name.to_string(), value.as_ref().to_string()));
        self
    }

    pub fn without(mut self, name: &str) -> Msg {
        let wanted = canonical(name);
        self.headers.retain(|(n, _)| canonical(n) != wanted);
        self
    }

    pub fn body(self, content_type: &str, body: impl AsRef<[u8]>) -> Msg {
        let mut msg = self.with("Content-Type", content_type);
        msg.body = body.as_ref().to_vec();
        msg
    }
}

impl std::fmt::Display for Msg {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.to_bytes()).replace('\r', ""))
    }
}

/// The lower-case long name of a header.
pub fn canonical(name: &str) -> String {
    let lower = name.trim().to_ascii_lowercase();
    let long = match lower.as_str() {
        "v" => "via",
        "f" => "from",
        "t" => "to",
        "i" => "call-id",
        "m" => "contact",
        "l" => "content-length",
        "c" => "content-type",
        "e" => "content-encoding",
        "k" => "supported",
        "r" => "refer-to",
        "b" => "referred-by",
        "o" => "event",
        "u" => "allow-events",
        "s" => "subject",
        "x" => "session-expires",
        "a" => "accept-contact",
        "j" => "reject-contact",
        "d" => "request-disposition",
        _ => return lower,
    };
    long.to_string()
}

/// The URI of a name-addr or a bare addr-spec (whose parameters are then the header's, RFC 3261 section 20).
pub fn uri_of(value: &str) -> String {
    if let (Some(open), Some(close)) = (outside_quotes(value, '<'), value.rfind('>')) {
        return value[open + 1..close].to_string();
    }
    value.split(';').next().unwrap_or("").trim().to_string()
}

/// A header parameter behind the name-addr, unquoted; the empty string when it has no value.
pub fn param(value: &str, name: &str) -> Option<String> {
    let rest = match outside_quotes(value, '<') {
        Some(_) => &value[value.rfind('>')? + 1..],
        None => &value[value.find(';')?..],
    };
    split_top(rest, ';').into_iter().find_map(|p| {
        let (key, val) = p.split_once('=').unwrap_or((p.as_str(), ""));
        key.trim()
            .eq_ignore_ascii_case(name)
            .then(|| val.trim().trim_matches('"').to_string())
    })
}

/// Whether the header carries that parameter at all.
pub fn has_param(value: &str, name: &str) -> bool {
    param(value, name).is_some()
}

/// Splits at `sep` outside of quotes and angle brackets; trims.
pub fn split_top(text: &str, sep: char) -> Vec<String> {
    let (mut parts, mut quoted, mut depth, mut escaped) = (vec![String::new()], false, 0, false);
    for c in text.chars() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '<' if !quoted => depth += 1,
            '>' if !quoted => depth -= 1,
            _ if c == sep && !quoted && depth == 0 => {
                parts.push(String::new());
                continue;
            }
            _ => {}
        }
        parts.last_mut().expect("never empty").push(c);
    }
    parts.iter().map(|p| p.trim().to_string()).collect()
}

fn outside_quotes(text: &str, wanted: char) -> Option<usize> {
    let mut quoted = false;
    text.char_indices().find_map(|(i, c)| {
        if c == '"' {
            quoted = !quoted;
        }
        (c == wanted && !quoted).then_some(i)
    })
}

pub fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|w| w == needle)
}
