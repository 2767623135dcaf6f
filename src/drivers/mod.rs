//! Outside systems.
pub mod process {
    //! p
    /// x
    pub async fn end_all(_m: &str, _g: std::time::Duration) {}
}
