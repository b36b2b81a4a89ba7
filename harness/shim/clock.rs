//! A library to preload into a database's processes, so that the nemesis can set their wall clocks.
//!
//! It answers every question for the realtime clock from the clock file that `QUARREL_CLOCK_FILE` names (see
//! `clock_file.rs` for the format), mapped into memory: a change shows at the next read. The monotonic clock and the
//! length of sleeps and waits stay true: where a wait's deadline is a realtime instant, the program has computed it
//! from the wrong clock, and it is moved back to the right one before the real wait. A wait that is under way when the
//! clock is set keeps its deadline. Absolute timers (`timer_settime`, `timerfd_settime`) are not translated.
//!
//! Compiled by the build script, for glibc on Linux: without the standard library, since a program may ask for the time
//! before that would be ready, and as the only file of the project with unsafe code. Without the variable, or if the
//! file cannot be mapped, all calls pass through.
#![no_std]
#![allow(
    clippy::missing_safety_doc,
    missing_docs,
    reason = "the C library documents the functions that stand here"
)]

use core::{
    ffi::{c_char, c_int, c_long, c_uint, c_void},
    mem::transmute,
    ptr::{null_mut, read_volatile},
    sync::atomic::{AtomicPtr, AtomicU64, Ordering::Relaxed},
};

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    unsafe { abort() }
}

// What is used of the C library.

const RTLD_NEXT: *mut c_void = -1_isize as *mut c_void;
const O_RDWR: c_int = 2;
const O_CLOEXEC: c_int = 0o2_000_000;
const PROT_READ_WRITE: c_int = 3;
const MAP_SHARED: c_int = 1;
const REALTIME: c_int = 0;
const MONOTONIC: c_int = 1;
const REALTIME_COARSE: c_int = 5;
const REALTIME_ALARM: c_int = 8;
const TAI: c_int = 11;
const TIMER_ABSTIME: c_int = 1;
const TIME_UTC: c_int = 1;
#[cfg(target_arch = "x86_64")]
const SYS_CLOCK_GETTIME: c_long = 228;
#[cfg(not(target_arch = "x86_64"))] // aarch64, riscv64 and loongarch64 share one table
const SYS_CLOCK_GETTIME: c_long = 113;

#[repr(C)]
#[derive(Clone, Copy)]
pub struct Timespec {
    sec: i64,
    nsec: c_long,
}

#[repr(C)]
pub struct Timeval {
    sec: i64,
    usec: c_long,
}

#[link(name = "dl")]
unsafe extern "C" {
    fn abort() -> !;
    fn close(descriptor: c_int) -> c_int;
    fn dlsym(handle: *mut c_void, name: *const c_char) -> *mut c_void;
    fn dlvsym(handle: *mut c_void, name: *const c_char, version: *const c_char) -> *mut c_void;
    fn getenv(name: *const c_char) -> *const c_char;
    fn mmap(
        at: *mut c_void,
        len: usize,
        prot: c_int,
        flags: c_int,
        descriptor: c_int,
        offset: i64,
    ) -> *mut c_void;
    fn open(path: *const c_char, flags: c_int, ...) -> c_int;
    fn syscall(number: c_long, ...) -> c_long;
}

// The clock file: see `clock_file.rs`, which writes it.

/// Count, offset, base, drift, frozen time, seal: all but the count in nanoseconds.
const WORDS: usize = 6;
/// The file is longer by one word: how many processes have mapped it.
const MAPPED_BYTES: usize = 64;
/// A writer needs a microsecond. One that died half-way must not hang the database.
const MAX_ATTEMPTS: u32 = 10_000;

static CLOCK_FILE: AtomicPtr<i64> = AtomicPtr::new(null_mut());

struct Setting {
    offset_ns: i64,
    base_monotonic_ns: i64,
    drift_ppb: i64,
    frozen_at_ns: i64,
}

/// How the clock stands; `None` if there is no clock file, or it never settles.
#[inline]
fn setting() -> Option<Setting> {
    let file = CLOCK_FILE.load(Relaxed);
    if file.is_null() {
        return None;
    }
    for _ in 0..MAX_ATTEMPTS {
        // The words belong together when the seal fits. They are read while another process may write them.
        let [count, offset_ns, base_monotonic_ns, drift_ppb, frozen_at_ns, sealed]: [i64; WORDS] =
            core::array::from_fn(|at| i64::from_le(unsafe { read_volatile(file.add(at)) }));
        // FNV-1a, a word at a time.
        let seal = [count, offset_ns, base_monotonic_ns, drift_ppb, frozen_at_ns]
            .into_iter()
            .fold(0xcbf2_9ce4_8422_2325_u64, |sum, word| (sum ^ word as u64).wrapping_mul(0x0100_0000_01b3));
        if seal == sealed as u64 {
            return Some(Setting { offset_ns, base_monotonic_ns, drift_ppb, frozen_at_ns });
        }
    }
    None
}

/// The wall clock of this process when the real one shows `real`.
#[inline]
fn shifted(real: Timespec) -> Timespec {
    let Some(Setting { offset_ns, base_monotonic_ns, drift_ppb, frozen_at_ns }) = setting() else {
        return real;
    };
    if frozen_at_ns != 0 {
        return timespec(frozen_at_ns);
    }
    let mut wall = nanoseconds(real).saturating_add(offset_ns);
    if drift_ppb != 0 {
        // In two parts, since the product may need more than 64 bits, and division of 128 bits needs a runtime library.
        let elapsed = nanoseconds(real_time(MONOTONIC)).saturating_sub(base_monotonic_ns);
        let (seconds, rest) = (elapsed / 1_000_000_000, elapsed % 1_000_000_000);
        let drifted =
            seconds.saturating_mul(drift_ppb).saturating_add(rest.saturating_mul(drift_ppb) / 1_000_000_000);
        wall = wall.saturating_add(drifted);
    }
    timespec(wall)
}

/// The instant of the real realtime clock that is as far away as `deadline` is by this process's clock.
fn real_deadline(deadline: Timespec) -> Timespec {
    let real = real_time(REALTIME);
    let ahead = nanoseconds(shifted(real)).saturating_sub(nanoseconds(real));
    timespec(nanoseconds(deadline).saturating_sub(ahead))
}

const fn nanoseconds(time: Timespec) -> i64 {
    time.sec.saturating_mul(1_000_000_000).saturating_add(time.nsec)
}

const fn timespec(ns: i64) -> Timespec {
    Timespec { sec: ns.div_euclid(1_000_000_000), nsec: ns.rem_euclid(1_000_000_000) }
}

const fn is_wall_clock(clock: c_int) -> bool {
    matches!(clock, REALTIME | REALTIME_COARSE | REALTIME_ALARM | TAI)
}

// What stands behind each name. Looked up at loading, before the program has threads; a library that is initialised
// even earlier may ask for the time (and only for that): it gets the kernel's.

macro_rules! behind {
    ($($real:ident = $name:literal $(at $version:literal)?: fn($($argument:ty),*) -> $result:ty;)*) => {
        $(
            mod $real {
                pub(super) static FOUND: super::AtomicPtr<super::c_void> = super::AtomicPtr::new(super::null_mut());
            }
            #[inline]
            fn $real() -> Option<unsafe extern "C" fn($($argument),*) -> $result> {
                let found = $real::FOUND.load(Relaxed);
                if found.is_null() {
                    return None;
                }
                Some(unsafe { transmute::<*mut c_void, unsafe extern "C" fn($($argument),*) -> $result>(found) })
            }
        )*
        unsafe fn look_up() {
            $(
                let name = concat!($name, "\0").as_ptr().cast();
                let plain = unsafe { dlsym(RTLD_NEXT, name) };
                // The plain look-up may find the condition variables of the 1990s.
                $(let plain = match unsafe { dlvsym(RTLD_NEXT, name, concat!($version, "\0").as_ptr().cast()) } {
                    found if found.is_null() => plain,
                    found => found,
                };)?
                $real::FOUND.store(plain, Relaxed);
            )*
        }
    };
}

type Object = *mut c_void;
type Time = *const Timespec;
behind! {
    real_clock_gettime = "clock_gettime": fn(c_int, *mut Timespec) -> c_int;
    real_clock_nanosleep = "clock_nanosleep": fn(c_int, c_int, Time, *mut Timespec) -> c_int;
    real_timespec_get = "timespec_get": fn(*mut Timespec, c_int) -> c_int;
    real_cond_timedwait = "pthread_cond_timedwait" at "GLIBC_2.3.2": fn(Object, Object, Time) -> c_int;
    real_cond_clockwait = "pthread_cond_clockwait": fn(Object, Object, c_int, Time) -> c_int;
    real_mutex_timedlock = "pthread_mutex_timedlock": fn(Object, Time) -> c_int;
    real_mutex_clocklock = "pthread_mutex_clocklock": fn(Object, c_int, Time) -> c_int;
    real_rwlock_timedrdlock = "pthread_rwlock_timedrdlock": fn(Object, Time) -> c_int;
    real_rwlock_timedwrlock = "pthread_rwlock_timedwrlock": fn(Object, Time) -> c_int;
    real_sem_timedwait = "sem_timedwait": fn(Object, Time) -> c_int;
    real_sem_clockwait = "sem_clockwait": fn(Object, c_int, Time) -> c_int;
    real_mq_timedreceive = "mq_timedreceive": fn(c_int, *mut c_char, usize, *mut c_uint, Time) -> isize;
    real_mq_timedsend = "mq_timedsend": fn(c_int, *const c_char, usize, c_uint, Time) -> c_int;
}

#[used]
#[unsafe(link_section = ".init_array")]
static AT_LOADING: extern "C" fn() = {
    extern "C" fn at_loading() {
        unsafe {
            look_up();
            map_clock_file();
        }
    }
    at_loading
};

unsafe fn map_clock_file() {
    unsafe {
        let path = getenv(c"QUARREL_CLOCK_FILE".as_ptr());
        if path.is_null() {
            return;
        }
        let descriptor = open(path, O_RDWR | O_CLOEXEC);
        if descriptor < 0 {
            return;
        }
        let mapped = mmap(null_mut(), MAPPED_BYTES, PROT_READ_WRITE, MAP_SHARED, descriptor, 0);
        close(descriptor);
        if mapped as isize == -1 {
            return;
        }
        let words = mapped.cast::<i64>();
        // The positive sign that this program can be preloaded: a static one never comes here.
        (*words.add(WORDS).cast::<AtomicU64>()).fetch_add(1, Relaxed);
        CLOCK_FILE.store(words, Relaxed);
    }
}

#[inline]
fn real_time(clock: c_int) -> Timespec {
    let mut time = Timespec { sec: 0, nsec: 0 };
    unsafe { read_clock(clock, &raw mut time) };
    time
}

#[inline]
unsafe fn read_clock(clock: c_int, time: *mut Timespec) -> c_int {
    match real_clock_gettime() {
        Some(real) => unsafe { real(clock, time) },
        None => unsafe { syscall(SYS_CLOCK_GETTIME, c_long::from(clock), time) as c_int },
    }
}

// The clock.

#[unsafe(no_mangle)]
pub unsafe extern "C" fn clock_gettime(clock: c_int, time: *mut Timespec) -> c_int {
    let status = unsafe { read_clock(clock, time) };
    if status == 0 && is_wall_clock(clock) {
        unsafe { *time = shifted(*time) };
    }
    status
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn gettimeofday(time: *mut Timeval, zone: *mut c_void) -> c_int {
    let now = shifted(real_time(REALTIME));
    unsafe {
        if !time.is_null() {
            *time = Timeval { sec: now.sec, usec: now.nsec / 1000 };
        }
        if !zone.is_null() {
            // Obsolete: two words, minutes west of Greenwich and the kind of summer time, always 0 in glibc.
            *zone.cast::<[c_int; 2]>() = [0, 0];
        }
    }
    0
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn time(out: *mut i64) -> i64 {
    let now = shifted(real_time(REALTIME)).sec;
    if !out.is_null() {
        unsafe { *out = now };
    }
    now
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn timespec_get(time: *mut Timespec, base: c_int) -> c_int {
    if base == TIME_UTC {
        unsafe { *time = shifted(real_time(REALTIME)) };
        return base;
    }
    real_timespec_get().map_or(0, |real| unsafe { real(time, base) })
}

// Waits until an instant. A null pointer is left to the real function.

/// A deadline on its way to the real function, moved if it is an instant of the wall clock.
struct Deadline(Option<Timespec>);

impl Deadline {
    unsafe fn of(clock: c_int, time: Time) -> Self {
        // A time that the real function will refuse has to stay as it is.
        let valid = !time.is_null() && (0..1_000_000_000).contains(&unsafe { (*time).nsec });
        Self((valid && is_wall_clock(clock)).then(|| real_deadline(unsafe { *time })))
    }

    fn or(&self, time: Time) -> Time {
        self.0.as_ref().map_or(time, |moved| moved)
    }
}

/// In glibc the clock of a condition variable is bit 1 of the word at byte 36.
unsafe fn clock_of(condition: Object) -> c_int {
    let flags = unsafe { read_volatile(condition.cast::<u32>().add(9)) };
    if flags & 2 == 0 { REALTIME } else { MONOTONIC }
}

const ENOSYS: c_int = 38;

macro_rules! waits {
    ($($name:ident($($argument:ident: $type:ty),*) by $clock:expr => $real:ident($($passed:ident),*), $time:ident;)*) => {
        $(
            #[unsafe(no_mangle)]
            pub unsafe extern "C" fn $name($($argument: $type,)* $time: Time) -> c_int {
                let Some(real) = $real() else { return ENOSYS };
                unsafe {
                    let deadline = Deadline::of($clock, $time);
                    real($($passed,)* deadline.or($time))
                }
            }
        )*
    };
}

waits! {
    pthread_cond_timedwait(condition: Object, mutex: Object) by clock_of(condition) => real_cond_timedwait(condition, mutex), time;
    pthread_cond_clockwait(condition: Object, mutex: Object, clock: c_int) by clock => real_cond_clockwait(condition, mutex, clock), time;
    pthread_mutex_timedlock(mutex: Object) by REALTIME => real_mutex_timedlock(mutex), time;
    pthread_mutex_clocklock(mutex: Object, clock: c_int) by clock => real_mutex_clocklock(mutex, clock), time;
    pthread_rwlock_timedrdlock(lock: Object) by REALTIME => real_rwlock_timedrdlock(lock), time;
    pthread_rwlock_timedwrlock(lock: Object) by REALTIME => real_rwlock_timedwrlock(lock), time;
    sem_timedwait(semaphore: Object) by REALTIME => real_sem_timedwait(semaphore), time;
    sem_clockwait(semaphore: Object, clock: c_int) by clock => real_sem_clockwait(semaphore, clock), time;
    mq_timedsend(queue: c_int, bytes: *const c_char, len: usize, priority: c_uint) by REALTIME => real_mq_timedsend(queue, bytes, len, priority), time;
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn mq_timedreceive(
    queue: c_int,
    bytes: *mut c_char,
    len: usize,
    priority: *mut c_uint,
    time: Time,
) -> isize {
    let Some(real) = real_mq_timedreceive() else { return -1 };
    unsafe {
        let deadline = Deadline::of(REALTIME, time);
        real(queue, bytes, len, priority, deadline.or(time))
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn clock_nanosleep(
    clock: c_int,
    flags: c_int,
    time: Time,
    left: *mut Timespec,
) -> c_int {
    let Some(real) = real_clock_nanosleep() else { return ENOSYS };
    unsafe {
        let absolute = if flags & TIMER_ABSTIME == 0 { MONOTONIC } else { clock };
        let deadline = Deadline::of(absolute, time);
        real(clock, flags, deadline.or(time), left)
    }
}
