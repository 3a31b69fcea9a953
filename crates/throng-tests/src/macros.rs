//! Macros that need to know where cargo has put the programs of this package.

/// A command for the scripted child, from a format string of steps: `child!("out:{n} exit:3")`.
///
/// A macro because cargo gives the child's path only to the tests themselves.
#[macro_export]
macro_rules! child {
    ($($steps:tt)*) => {
        $crate::script(env!("CARGO_BIN_EXE_child"), &format!($($steps)*))
    };
}

/// A [`Probe`](crate::Probe) in this mode, for this mechanism, with these further arguments:
/// `probe!(mechanism, "limits 64")`.
#[macro_export]
macro_rules! probe {
    ($mechanism:expr, $($mode:tt)*) => {
        $crate::Probe::new(
            env!("CARGO_BIN_EXE_probe"),
            env!("CARGO_BIN_EXE_child"),
            $mechanism,
            &format!($($mode)*),
        )
    };
}
