//! One line for Kamailio's own log, wherever that goes (syslog, stderr, a structured log).
//!
//! Kamailio takes log lines from any process at any time after the module is loaded, without a lock. Its
//! log functions are like printf, so our text is always the argument of `"%.*s"`. Control characters are
//! replaced, so that text from the network cannot add lines.

use std::ffi::{c_char, c_int, CStr};
use std::fmt::{self, Write as _};
use std::panic::Location;

use super::str_conversion;
use crate::kamailio_sys as sys;

/// Severity, with Kamailio's numbers (core/dprint.h).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(i32)]
pub enum Level {
    /// L_ERR: needs action.
    Error = -1,
    /// L_WARN: worth a look soon.
    Warn = 0,
    /// L_NOTICE: rare and normal.
    Notice = 1,
    /// L_INFO: what the server does.
    Info = 2,
    /// L_DBG: how it does it.
    Debug = 3,
}

/// Longest line in bytes. syslog would cut a longer one too, perhaps in the middle of a character.
const MAX_LINE: usize = 2000;

const MODULE: &CStr = c"cpm";

/// Which lines this process writes. It may change between two messages.
#[derive(Clone, Copy, Debug)]
pub struct Threshold(c_int);

impl Threshold {
    /// Whether lines of this level are written.
    pub fn lets_through(self, level: Level) -> bool {
        self.0 >= level as c_int
    }
}

/// Which lines this process writes now.
pub fn threshold() -> Threshold {
    // SAFETY: the name is a NUL-terminated constant, passed with its length and only read.
    Threshold(unsafe {
        sys::get_debug_level(
            MODULE.as_ptr() as *mut c_char,
            MODULE.count_bytes() as c_int,
        )
    })
}

/// Writes one line if its level is on, with module, file and line number in front as in Kamailio's own lines.
/// The macros call it.
#[track_caller]
pub fn log(level: Level, args: fmt::Arguments<'_>) {
    if threshold().lets_through(level) {
        write_line(level, Location::caller(), args);
    }
}

/// Writes one line of which it is known that its level is on.
#[track_caller]
pub fn log_wanted(level: Level, args: fmt::Arguments<'_>) {
    write_line(level, Location::caller(), args);
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

/// A line that is put together behind what stands in front of it: at most [`MAX_LINE`] bytes without control
/// characters.
struct Line {
    text: String,
    /// Most bytes of `text`.
    full: usize,
}

impl Line {
    fn behind(front: String) -> Line {
        let full = front.len() + MAX_LINE;
        Line { text: front, full }
    }

    /// An error means that the line is full. The part that fits stays.
    fn finished(mut self, args: fmt::Arguments<'_>) -> String {
        let _ = self.write_fmt(args);
        self.text.push('\n');
        self.text
    }
}

impl fmt::Write for Line {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        // Without an early end, which would keep the bytes from being looked at many at a time.
        let harmless = part.bytes().fold(true, |so_far, b| so_far & is_harmless(b));
        if harmless && self.text.len() + part.len() <= self.full {
            self.text.push_str(part);
            return Ok(());
        }
        for c in part.chars() {
            if self.text.len() + c.len_utf8() > self.full {
                return Err(fmt::Error);
            }
            self.text.push(if c.is_control() { ' ' } else { c });
        }
        Ok(())
    }
}

/// No control character begins with it (U+0080 to U+009F begin with 0xc2).
fn is_harmless(byte: u8) -> bool {
    byte >= b' ' && byte != 0x7f && byte != 0xc2
}

fn write_line(level: Level, place: &Location<'_>, args: fmt::Arguments<'_>) {
    // SAFETY: `dprint_crit` tells the signal handlers of this process that it is writing a log line.
    // LOG() of core/dprint.h raises and lowers it around the output in the same way.
    unsafe { sys::dprint_crit += 1 };
    emit(level, place, args);
    // SAFETY: as above.
    unsafe { sys::dprint_crit -= 1 };
}

/// Writes the line in one of three ways, chosen like LOG() of core/dprint.h does: structured log, stderr,
/// syslog.
fn emit(level: Level, place: &Location<'_>, args: fmt::Arguments<'_>) {
    // SAFETY: the log settings are plain globals, written before the fork or by this process. The name
    // is a constant.
    let (structured, to_stderr, facility) = unsafe {
        let name = MODULE.as_ptr() as *mut c_char;
        let facility = sys::get_debug_facility(name, MODULE.count_bytes() as c_int);
        (sys::_ksr_slog_func, sys::log_stderr != 0, facility)
    };
    let info = level_info(level);
    let facility = info.syslog_level | facility;
    let mut front = String::with_capacity(512);
    if let Some(structured) = structured {
        let message = Line::behind(front).finished(args);
        let file = str_conversion::c_string(place.file().as_bytes());
        // SAFETY: ksr_logdata_t is plain data, and LOG() starts from all zero too.
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
        // SAFETY: the format takes a length and a pointer to so many bytes.
        unsafe { structured(&mut data, c"%.*s".as_ptr(), len, start) };
        return;
    }

    let prefix = log_prefix();
    if to_stderr {
        // SAFETY: the name is NULL or one of Kamailio's constants.
        let name = match unsafe { info.name.as_ref() } {
            None => "".into(),
            // SAFETY: as above.
            Some(name) => unsafe { CStr::from_ptr(name) }.to_string_lossy(),
        };
        // SAFETY: both are constant while the process lives.
        let (number, pid) = unsafe { (sys::process_no, sys::my_pid()) };
        let prefix = String::from_utf8_lossy(prefix);
        // A String takes everything.
        let _ = write!(front, "{number:2}({pid}) ");
        for part in [&name, ": ", &prefix] {
            front.push_str(part);
        }
        push_place(&mut front, place);
        let line = Line::behind(front).finished(args);
        // A single write keeps the lines of several processes apart.
        // SAFETY: the buffer is readable for its whole length. A short write only loses log text.
        let _ = unsafe { libc::write(libc::STDERR_FILENO, line.as_ptr().cast(), line.len()) };
        return;
    }

    push_place(&mut front, place);
    let line = Line::behind(front).finished(args);
    let (prefix_len, prefix) = (prefix.len() as c_int, prefix.as_ptr() as *const c_char);
    let (len, start) = (line.len() as c_int, line.as_ptr() as *const c_char);
    let format = c"%s: %.*s%.*s".as_ptr();
    // SAFETY: Kamailio sets `_km_log_func` at start-up, to syslog or to a log engine. The format takes a C
    // string, then a length with a pointer twice.
    unsafe {
        if let Some(write) = sys::_km_log_func {
            write(facility, format, info.name, prefix_len, prefix, len, start);
        }
    }
}

/// What stands in front of a message: the module, and where in it the line is written.
fn push_place(front: &mut String, place: &Location<'_>) {
    let module = MODULE.to_str().unwrap_or_default();
    let line = place.line().to_string();
    for part in [module, " [", place.file(), ":", &line, "]: "] {
        front.push_str(part);
    }
}

/// Kamailio's name and syslog number of a level.
fn level_info(level: Level) -> sys::log_level_info {
    // core/dprint.h: the table starts at L_ALERT, which is -5.
    let index = level as isize + 5;
    // SAFETY: Kamailio's table has an entry for each level from -5 to 3.
    unsafe {
        *std::ptr::addr_of!(sys::log_level_info)
            .cast::<sys::log_level_info>()
            .offset(index)
    }
}

/// The value of `log_prefix` for the current message; empty if the configuration has none.
fn log_prefix() -> &'static [u8] {
    // SAFETY: `log_prefix_val` is NULL or points to a `str` of this process. It changes only with the
    // message, and the log call that reads it does not keep it.
    unsafe {
        sys::log_prefix_val
            .as_ref()
            .map_or(&[], |value| str_conversion::bytes_of(value))
    }
}
