//! Where the bench can run: the fixtures, the process accounting and most rivals are Linux's. On
//! Windows `throng bench` compares the mechanisms of throng with each other.

#[cfg(not(target_os = "linux"))]
mod elsewhere;
#[cfg(target_os = "linux")]
mod linux;

#[cfg(not(target_os = "linux"))]
pub(crate) use elsewhere::run;
#[cfg(target_os = "linux")]
pub(crate) use linux::run;
