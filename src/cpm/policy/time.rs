//! `xs:dateTime` with an offset from UTC, read as seconds since 1970.

use jiff::civil::{date, Date};

/// What a date and time looks like before its fraction and offset; `0` stands for any digit.
const DATE_TIME: &str = "0000-00-00T00:00:00";

/// Seconds since 1970 of a text such as `2003-12-24T17:00:00+01:00`. `None` when it is not an
/// `xs:dateTime` (XML Schema part 2, section 3.2.7) with an offset, which erratum 1455 of RFC 4745
/// makes mandatory.
///
/// A fraction of a second is cut off. 24:00:00 is the start of the next day, and a leap second
/// counts as the second after it.
pub fn unix_seconds(text: &str) -> Option<i64> {
    let (date_time, rest) = text.split_at_checked(DATE_TIME.len())?;
    if !has_shape(date_time, DATE_TIME) {
        return None;
    }
    let year: i16 = date_time.get(..4)?.parse().ok()?;
    let month: i8 = date_time.get(5..7)?.parse().ok()?;
    let day: i8 = date_time.get(8..10)?.parse().ok()?;
    let hour: i64 = date_time.get(11..13)?.parse().ok()?;
    let minute: i64 = date_time.get(14..16)?.parse().ok()?;
    let second: i64 = date_time.get(17..)?.parse().ok()?;
    let within_day = hour <= 23 && minute <= 59 && second <= 60;
    let end_of_day = hour == 24 && minute == 0 && second == 0;
    if !within_day && !end_of_day {
        return None;
    }
    // jiff knows the calendar: it refuses a date that does not exist.
    let midnight = Date::new(year, month, day)
        .ok()?
        .duration_since(date(1970, 1, 1))
        .as_secs();
    let offset = offset_seconds(without_fraction(rest)?)?;
    Some(midnight + hour * 3600 + minute * 60 + second - offset)
}

/// `text` behind its fraction of a second, if it starts with one. `None` for a dot without digits.
fn without_fraction(text: &str) -> Option<&str> {
    let Some(fraction) = text.strip_prefix('.') else {
        return Some(text);
    };
    let rest = fraction.trim_start_matches(|c: char| c.is_ascii_digit());
    (rest.len() < fraction.len()).then_some(rest)
}

/// `Z` or `+hh:mm`, at most 14 hours to either side.
fn offset_seconds(text: &str) -> Option<i64> {
    if text == "Z" || text == "z" {
        return Some(0);
    }
    let (sign, clock) = match text.strip_prefix('+') {
        Some(clock) => (1, clock),
        None => (-1, text.strip_prefix('-')?),
    };
    if !has_shape(clock, "00:00") {
        return None;
    }
    let hours: i64 = clock.get(..2)?.parse().ok()?;
    let minutes: i64 = clock.get(3..)?.parse().ok()?;
    let allowed = minutes <= 59 && (hours <= 13 || (hours == 14 && minutes == 0));
    allowed.then_some(sign * (hours * 3600 + minutes * 60))
}

/// Whether `text` is `shape` with a digit for each `0`. Letters count in either case.
fn has_shape(text: &str, shape: &str) -> bool {
    text.len() == shape.len()
        && text.bytes().zip(shape.bytes()).all(|(byte, shape)| {
            if shape == b'0' {
                byte.is_ascii_digit()
            } else {
                byte.eq_ignore_ascii_case(&shape)
            }
        })
}

#[cfg(test)]
mod tests {
    use super::unix_seconds;

    #[test]
    fn known_instants() {
        for (text, seconds) in [
            ("1970-01-01T00:00:00Z", 0),
            ("1969-12-31T23:59:59Z", -1),
            ("2003-12-24T17:00:00+01:00", 1_072_281_600),
            ("2003-08-15T10:20:00.000-05:00", 1_060_960_800),
            ("2024-02-29T12:00:00Z", 1_709_208_000),
            ("2000-03-01T00:00:00Z", 951_868_800),
            ("2026-01-01T24:00:00Z", 1_767_312_000),
            ("2016-12-31T23:59:60Z", 1_483_228_800),
        ] {
            assert_eq!(unix_seconds(text), Some(seconds), "{text}");
        }
    }

    #[test]
    fn refuses_what_is_no_instant() {
        for text in [
            "",
            "2026-01-01",
            "2026-01-01T09:00:00",
            "2026-13-01T09:00:00Z",
            "2026-00-01T09:00:00Z",
            "2025-02-29T09:00:00Z",
            "2026-01-01T24:00:01Z",
            "2026-01-01T09:60:00Z",
            "2026-01-01T09:00:00+15:00",
            "2026-01-01T09:00:00.Z",
            "2026-01-01T09:00:00Zx",
            "2026-01-01 09:00:00Z",
            "+026-01-01T09:00:00Z",
            "2026-01-01T09:00:00é",
        ] {
            assert_eq!(unix_seconds(text), None, "{text:?} was accepted");
        }
    }
}
