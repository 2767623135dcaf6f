//! stub replaced on merge
use std::path::PathBuf;
use std::time::Duration;
/// d
pub struct Disk {
    /// p
    pub percent: u8,
    /// a
    pub available: u64,
    /// t
    pub total: u64,
}
/// h
pub struct Host {
    /// x
    pub hostname: String,
    /// x
    pub load: [f64; 3],
    /// x
    pub cores: usize,
    /// x
    pub memory_total: u64,
    /// x
    pub memory_used: u64,
    /// x
    pub swap_total: u64,
    /// x
    pub swap_used: u64,
    /// x
    pub uptime: Duration,
    /// x
    pub disks: Vec<Result<Disk, String>>,
}
/// s
pub async fn snapshot(_p: &[PathBuf]) -> Host {
    Host {
        hostname: "x".into(),
        load: [0.0; 3],
        cores: 2,
        memory_total: 1,
        memory_used: 0,
        swap_total: 0,
        swap_used: 0,
        uptime: Duration::ZERO,
        disks: vec![],
    }
}
