//! Values of parameters: read, checked, and what is said of one that is wrong.
//! Not here: which parameters there are (`modparams.rs`).

use ipnet::IpNet;

use crate::kamailio::params::{IntParam, StringParam};
use crate::sip::uri::{Scheme, Uri};
use crate::sip::Route;

/// One wrong parameter.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cpm: parameter {name} is {value}, expected {expected}; example: modparam(\"cpm\", \"{name}\", {example})")]
pub struct ConfigError {
    name: &'static str,
    value: String,
    expected: String,
    example: &'static str,
}

/// The mistake in parameter `name`.
pub fn wrong(
    name: &'static str,
    value: impl std::fmt::Display,
    expected: impl Into<String>,
    example: &'static str,
) -> ConfigError {
    ConfigError {
        name,
        value: value.to_string(),
        expected: expected.into(),
        example,
    }
}

/// A text as the operator wrote it.
pub fn quoted(value: &str) -> String {
    format!("\"{value}\"")
}

/// A string that says something.
pub fn text(param: &StringParam) -> Option<String> {
    param
        .get()
        .map(|value| value.trim().to_owned())
        .filter(|value| !value.is_empty())
}

/// A number within a range.
pub fn number(
    name: &'static str,
    param: &IntParam,
    range: std::ops::RangeInclusive<i32>,
    example: &'static str,
) -> Result<u32, ConfigError> {
    let value = param.get();
    let expected = || format!("a number from {} to {}", range.start(), range.end());
    match u32::try_from(value) {
        Ok(number) if range.contains(&value) => Ok(number),
        _ => Err(wrong(name, value, expected(), example)),
    }
}

/// A URI that can stand for the factory.
pub fn uri(name: &'static str, value: &str, example: &'static str) -> Result<Uri, ConfigError> {
    match Uri::parse(value.as_bytes()) {
        Ok(uri) if uri.scheme() != Scheme::Tel && uri.user().is_some() => Ok(uri),
        _ => Err(wrong(
            name,
            quoted(value),
            "a SIP URI with a user part",
            example,
        )),
    }
}

/// `host[:port]` as it goes into our URIs.
pub fn check_host(
    name: &'static str,
    value: &str,
    example: &'static str,
) -> Result<(), ConfigError> {
    let probe = format!("sip:probe@{value}");
    let parsed = Uri::parse(probe.as_bytes()).ok();
    let plain = value
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || b".-:[]".contains(&b));
    let portless = matches!(name, "domain" | "phone_domains");
    let has_port = parsed.as_ref().is_some_and(|uri| uri.port().is_some());
    if plain && parsed.is_some() && !(portless && has_port) {
        return Ok(());
    }
    let expected = match name {
        "domain" => "a host name or address, without a port",
        "phone_domains" => "host names or addresses without ports, separated by commas or blanks",
        _ => "a host name or address, alone or with a colon and a port up to 65535",
    };
    Err(wrong(name, quoted(value), expected, example))
}

/// RFC 4975 section 6: scheme, host, port; the session id is ours to add.
pub fn check_msrp(value: &str) -> Result<(), ConfigError> {
    let rest = value
        .strip_prefix("msrp://")
        .or_else(|| value.strip_prefix("msrps://"));
    let ok = rest.is_some_and(|rest| {
        let port = rest
            .rsplit_once(':')
            .and_then(|(_, port)| port.parse::<u16>().ok());
        port.is_some() && Uri::parse(format!("sip:{rest}").as_bytes()).is_ok()
    });
    if ok {
        return Ok(());
    }
    let expected = "msrp://host:port or msrps://host:port without a path";
    Err(wrong(
        "msrp_uri",
        quoted(value),
        expected,
        "\"msrp://192.0.2.10:2855\"",
    ))
}

/// A Route header value: name-addrs in angle brackets, loose routing.
pub fn routes(value: &str) -> Result<Vec<Route>, ConfigError> {
    let mut routes = Vec::new();
    for part in value
        .split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty())
    {
        let route = Route::parse(part.as_bytes());
        let loose = |route: &Route| route.uri().param("lr").is_some() && part.contains('<');
        let Some(route) = route.filter(loose) else {
            let expected = "SIP URIs in angle brackets with the parameter lr, separated by commas";
            return Err(wrong(
                "orig_route",
                quoted(value),
                expected,
                "\"<sip:192.0.2.1:5060;lr;orig>\"",
            ));
        };
        routes.push(route);
    }
    Ok(routes)
}

/// Addresses and networks, comma or blank separated.
pub fn trusted(value: &str) -> Result<Vec<IpNet>, ConfigError> {
    let parse = |part: &str| {
        part.parse::<IpNet>()
            .or_else(|_| part.parse::<std::net::IpAddr>().map(IpNet::from))
            .map_err(|_| {
                let expected = "IP addresses or networks, separated by commas or blanks";
                let value = format!("\"{value}\" (\"{part}\" is wrong)");
                wrong(
                    "trusted_peers",
                    value,
                    expected,
                    "\"192.0.2.1, 2001:db8::/32\"",
                )
            })
    };
    value
        .split([',', ' ', '\t'])
        .filter(|part| !part.is_empty())
        .map(parse)
        .collect()
}
