//! Units of time: every span and point of time in the domain is one of these.

/// A span or a point of time in milliseconds of the monotonic clock that all processes share.
pub type Millis = u64;

/// A point of time in microseconds of the same clock.
pub type Micros = u64;

/// 64*T1 of RFC 3261 section 17.1.1.1 in ms: how long a transaction may stay without its end.
pub const SIXTY_FOUR_T1: Millis = 32_000;

/// When a request of ours without any result counts as lost, in ms. tm ends a transaction at 64*T1;
/// this deadline of our own finds what tm never reported.
pub const LOST_REQUEST: Millis = SIXTY_FOUR_T1 + 8_000;

/// Longest Retry-After that is waited for before an INVITE is sent once more, seconds.
pub const LONGEST_RETRY: u32 = 30;

/// Milliseconds of so many seconds.
pub fn millis(seconds: u32) -> Millis {
    u64::from(seconds) * 1000
}

/// `2026-01-31T12:00:00.123Z` (RFC 3339) of milliseconds since 1970. Empty after the year 9999.
pub fn utc(ms: u64) -> String {
    let moment = i64::try_from(ms).ok();
    let moment = moment.and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    moment.map_or_else(String::new, |moment| format!("{moment:.3}"))
}

#[cfg(test)]
mod tests {
    use super::utc;

    #[test]
    fn a_moment_is_written_as_everybody_writes_it() {
        for (ms, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400_007, "2000-02-29T00:00:00.007Z"),
            (951_868_799_999, "2000-02-29T23:59:59.999Z"),
            (1_709_164_800_000, "2024-02-29T00:00:00.000Z"),
            (1_798_761_599_000, "2026-12-31T23:59:59.000Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
        ] {
            assert_eq!(utc(ms), text);
        }
        assert_eq!(utc(u64::MAX), "");
    }
}
