//! One line into Kamailio's own log, whatever it is set to (syslog, stderr, structured).
//! Not here: redaction of identities; whoever writes the line chooses what it may say.
//!
//! Promise: any process, any time after load, no lock. Kamailio's log functions are printf-like, so
//! our text only ever travels as the argument of `"%.*s"`. Control characters are replaced: a line
//! is one line, whatever the network put into it.

use std::ffi::{c_char, c_int, CStr};
use std::fmt::{self, Write as _};
use std::panic::Location;

use super::text;
use crate::kamailio_sys as sys;

/// Severity, with Kamailio's numbers (core/dprint.h).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(i32)]
pub enum Level {
    Error = -1,
    Warn = 0,
    Notice = 1,
    Info = 2,
    Debug = 3,
}

/// Longer lines are cut: syslog would do it anyway, in the middle of a character.
const MAX_LINE: usize = 2000;

const MODULE: &CStr = c"cpm";

/// Whether a line of this level would be written by this process now.
pub fn enabled(level: Level) -> bool {
    // SAFETY: the name is a NUL-terminated constant with its length; the function only reads it.
    let current = unsafe {
        sys::get_debug_level(
            MODULE.as_ptr() as *mut c_char,
            MODULE.count_bytes() as c_int,
        )
    };
    current >= level as c_int
}

/// Writes one line, prefixed like Kamailio's own with module and place; used through the macros.
#[track_caller]
pub fn log(level: Level, args: fmt::Arguments<'_>) {
    if enabled(level) {
        write_line(level, Location::caller(), args);
    }
}

#[allow(unused_macros)]
macro_rules! error {
    ($($arg:tt)*) => {
        $crate::kamailio::log::log($crate::kamailio::log::Level::Error, format_args!($($arg)*))
    };
}
#[allow(unused_macros)]
macro_rules! warning {
    ($($arg:tt)*) => {
        $crate::kamailio::log::log($crate::kamailio::log::Level::Warn, format_args!($($arg)*))
    };
}
#[allow(unused_macros)]
macro_rules! notice {
    ($($arg:tt)*) => {
        $crate::kamailio::log::log($crate::kamailio::log::Level::Notice, format_args!($($arg)*))
    };
}
#[allow(unused_macros)]
macro_rules! info {
    ($($arg:tt)*) => {
        $crate::kamailio::log::log($crate::kamailio::log::Level::Info, format_args!($($arg)*))
    };
}
#[allow(unused_macros)]
macro_rules! debug {
    ($($arg:tt)*) => {
        $crate::kamailio::log::log($crate::kamailio::log::Level::Debug, format_args!($($arg)*))
    };
}
#[allow(unused_imports)]
pub(crate) use {debug, error, info, notice, warning};

/// A bounded line without control characters.
struct Line {
    text: String,
}

impl fmt::Write for Line {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        for c in part.chars() {
            if self.text.len() + c.len_utf8() > MAX_LINE {
                return Err(fmt::Error);
            }
            self.text.push(if c.is_control() { ' ' } else { c });
        }
        Ok(())
    }
}

fn write_line(level: Level, place: &Location<'_>, args: fmt::Arguments<'_>) {
    let mut line = Line {
        text: String::with_capacity(256),
    };
    // Only a full line can fail here, and then what fits is what is wanted.
    let _ = line.write_fmt(args);

    // SAFETY: `dprint_crit` is Kamailio's per-process mark "a log line is being written", set and
    // cleared around the output as LOG() does; signal handlers of this very process read it.
    unsafe { sys::dprint_crit += 1 };
    emit(level, place, &line.text);
    // SAFETY: as above.
    unsafe { sys::dprint_crit -= 1 };
}

/// The three ways of LOG() in core/dprint.h, in its order.
fn emit(level: Level, place: &Location<'_>, message: &str) {
    // SAFETY: the log settings are plain globals of this process, written before the fork or by
    // this process itself; the name is a constant.
    let (structured, to_stderr, facility) = unsafe {
        let name = MODULE.as_ptr() as *mut c_char;
        let facility = sys::get_debug_facility(name, MODULE.count_bytes() as c_int);
        (sys::_ksr_slog_func, sys::log_stderr != 0, facility)
    };
    let info = level_info(level);
    let facility = info.syslog_level | facility;
    let module = MODULE.to_str().unwrap_or_default();
    if let Some(structured) = structured {
        let file = text::c_string(place.file().as_bytes());
        // SAFETY: ksr_logdata_t is plain data for which all-zero is what LOG() starts from.
        let mut data: sys::ksr_logdata_t = unsafe { std::mem::zeroed() };
        data.v_facility = facility;
        data.v_level = level as c_int;
        data.v_lname = info.name;
        data.v_fname = file.as_ptr();
        data.v_fline = place.line() as c_int;
        data.v_mname = MODULE.as_ptr();
        data.v_func = c"".as_ptr();
        data.v_locinfo = c"".as_ptr();
        let (len, start) = (message.len() as c_int, message.as_ptr() as *const c_char);
        // SAFETY: the format takes exactly a length and a pointer to that many bytes.
        unsafe { structured(&mut data, c"%.*s\n".as_ptr(), len, start) };
        return;
    }

    let line = format!("{module} [{}:{}]: {message}\n", place.file(), place.line());
    let prefix = log_prefix();
    if to_stderr {
        // SAFETY: the name is NULL or one of Kamailio's constants.
        let name = match unsafe { info.name.as_ref() } {
            None => "".into(),
            // SAFETY: as above.
            Some(name) => unsafe { CStr::from_ptr(name) }.to_string_lossy(),
        };
        // SAFETY: both only read who this process is.
        let (number, pid) = unsafe { (sys::process_no, sys::my_pid()) };
        let prefix = String::from_utf8_lossy(prefix);
        // One write per line, so that the lines of several processes do not mix.
        let line = format!("{number:2}({pid}) {name}: {prefix}{line}");
        // SAFETY: the buffer is readable for its whole length; a short write loses log text only.
        let _ = unsafe { libc::write(libc::STDERR_FILENO, line.as_ptr().cast(), line.len()) };
        return;
    }

    let (prefix_len, prefix) = (prefix.len() as c_int, prefix.as_ptr() as *const c_char);
    let (len, start) = (line.len() as c_int, line.as_ptr() as *const c_char);
    let format = c"%s: %.*s%.*s".as_ptr();
    // SAFETY: `_km_log_func` is set from start-up on (syslog or an engine); the format takes a C
    // string, a length with a pointer, and again a length with a pointer.
    unsafe {
        if let Some(write) = sys::_km_log_func {
            write(facility, format, info.name, prefix_len, prefix, len, start);
        }
    }
}

/// Kamailio's name and syslog number of a level.
fn level_info(level: Level) -> sys::log_level_info {
    // core/dprint.h: the table starts at L_ALERT, which is -5.
    let index = level as isize + 5;
    // SAFETY: the table of the running Kamailio has an entry for each level from -5 to 3.
    unsafe {
        *std::ptr::addr_of!(sys::log_level_info)
            .cast::<sys::log_level_info>()
            .offset(index)
    }
}

/// The evaluated `log_prefix` of the message in hand, if the configuration has one.
fn log_prefix() -> &'static [u8] {
    // SAFETY: `log_prefix_val` is NULL or points to a `str` of this process, which changes with the
    // message only; it is used up before the log call that asked for it returns.
    unsafe {
        sys::log_prefix_val
            .as_ref()
            .map_or(&[], |value| text::bytes_of(value))
    }
}
