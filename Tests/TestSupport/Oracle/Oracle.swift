/// What the operations of `Compute` mean, computed in Double by the plainest loops.
///
/// Each function is written from the doc comment of the operation with its name and shares nothing with a backend.
public enum Oracle {}
