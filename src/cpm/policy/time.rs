//! xs:dateTime with offset, as seconds since 1970.
//! Not here: local time and calendars. Erratum 1455 of RFC 4745 makes the offset mandatory.

/// Reads `2003-12-24T17:00:00+01:00`. None when it is not a date and time with an offset.
/// Fractions of a second are cut off; a leap second counts as the second after it.
pub fn unix_seconds(text: &str) -> Option<i64> {
    let mut rest = text;
    let year = number(&mut rest, 4)?;
    literal(&mut rest, "-")?;
    let month = number(&mut rest, 2)?;
    literal(&mut rest, "-")?;
    let day = number(&mut rest, 2)?;
    literal(&mut rest, "T").or_else(|| literal(&mut rest, "t"))?;
    let hour = number(&mut rest, 2)?;
    literal(&mut rest, ":")?;
    let minute = number(&mut rest, 2)?;
    literal(&mut rest, ":")?;
    let second = number(&mut rest, 2)?;
    if literal(&mut rest, ".").is_some() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        if digits == 0 {
            return None;
        }
        rest = rest.get(digits..)?;
    }
    let offset = offset_seconds(rest)?;
    // 24:00:00 is the end of the day in xs:dateTime.
    let clock_ok =
        (hour <= 23 && minute <= 59 && second <= 60) || (hour == 24 && minute == 0 && second == 0);
    if !clock_ok || !(1..=12).contains(&month) || day < 1 || day > days_in(year, month) {
        return None;
    }
    let clock = hour * 3600 + minute * 60 + second;
    Some(days_before(year, month, day) * 86_400 + clock - offset)
}

fn offset_seconds(text: &str) -> Option<i64> {
    if text == "Z" || text == "z" {
        return Some(0);
    }
    let mut rest = text;
    let sign = match literal(&mut rest, "+") {
        Some(()) => 1,
        None => {
            literal(&mut rest, "-")?;
            -1
        }
    };
    let hours = number(&mut rest, 2)?;
    literal(&mut rest, ":")?;
    let minutes = number(&mut rest, 2)?;
    let ok = rest.is_empty() && minutes <= 59 && (hours <= 13 || (hours == 14 && minutes == 0));
    ok.then_some(sign * (hours * 3600 + minutes * 60))
}

/// Takes exactly `digits` decimal digits off the front.
fn number(rest: &mut &str, digits: usize) -> Option<i64> {
    let head = rest.get(..digits)?;
    let tail = rest.get(digits..)?;
    if !head.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    *rest = tail;
    head.parse().ok()
}

fn literal(rest: &mut &str, text: &str) -> Option<()> {
    *rest = rest.strip_prefix(text)?;
    Some(())
}

fn leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_in(year: i64, month: i64) -> i64 {
    match month {
        2 if leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01 to a date of the Gregorian calendar.
fn days_before(year: i64, month: i64, day: i64) -> i64 {
    let past = year - 1;
    let to_year = past * 365 + past.div_euclid(4) - past.div_euclid(100) + past.div_euclid(400);
    let to_month: i64 = (1..month).map(|m| days_in(year, m)).sum();
    const TO_1970: i64 = 719_162;
    to_year + to_month + day - 1 - TO_1970
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
