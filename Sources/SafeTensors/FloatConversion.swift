// Conversions between Float32 and the stored types, by integer arithmetic without branches or tables, so that the
// compiler turns the loops into vector code on any CPU and no result depends on its floating-point mode.

/// Float32 bits of IEEE half-precision bits; exact.
@inline(__always)
func float32Bits(half: UInt16) -> UInt32 {
  let magnitude = UInt32(half & 0x7FFF) << 13
  let normal = magnitude &+ 112 << 23
  // A subnormal half m·2⁻²⁴ is (2⁻¹⁴ + m·2⁻²⁴) − 2⁻¹⁴; neither operand is a subnormal Float32.
  let shifted = Float(bitPattern: magnitude &+ 113 << 23) - Float(bitPattern: 113 << 23)
  let finite = magnitude < 1 << 23 ? shifted.bitPattern : normal
  let bits = magnitude >= 31 << 23 ? normal &+ 112 << 23 : finite
  return bits | UInt32(half & 0x8000) << 16
}

/// Half-precision bits of Float32 bits, rounded to nearest even; an infinity when too large. NaN is not kept apart.
@inline(__always)
func halfBits(float32 bits: UInt32) -> UInt16 {
  let magnitude = min(bits & 0x7FFF_FFFF, 143 << 23)
  // Adding 0.5 leaves the subnormal half's digits in the last places, rounded by the addition itself.
  let subnormal = (Float(bitPattern: magnitude) + 0.5).bitPattern &- Float(0.5).bitPattern
  let odd = magnitude >> 13 & 1
  let normal = (magnitude &- 112 << 23 &+ 0xFFF &+ odd) >> 13
  let half = magnitude < 113 << 23 ? subnormal : normal
  return UInt16(truncatingIfNeeded: half) | UInt16(truncatingIfNeeded: bits >> 16 & 0x8000)
}

/// BFloat16 bits of Float32 bits, rounded to nearest even; an infinity when too large. NaN is not kept apart.
@inline(__always)
func bfloat16Bits(float32 bits: UInt32) -> UInt16 {
  UInt16(truncatingIfNeeded: (bits &+ 0x7FFF &+ (bits >> 16 & 1)) >> 16)
}

/// Widens `bytes`, whole elements of `type`, to Float32 values at `output`; false when one of them is not finite.
func widen(_ bytes: UnsafeRawBufferPointer, _ type: ElementType, to output: UnsafeMutablePointer<Float>) -> Bool {
  guard let source = bytes.baseAddress else { return true }
  let count = bytes.count * 8 / type.bitWidth
  let bits = unsafe UnsafeMutableRawPointer(output).assumingMemoryBound(to: UInt32.self)
  var exponents: UInt32 = 0
  switch type {
  case .f32:
    for index in 0..<count {
      let value = unsafe source.loadUnaligned(fromByteOffset: index &* 4, as: UInt32.self)
      unsafe bits[index] = value
      exponents = max(exponents, value & 0x7F80_0000)
    }
  case .bf16:
    for index in 0..<count {
      let value = unsafe UInt32(source.loadUnaligned(fromByteOffset: index &* 2, as: UInt16.self)) << 16
      unsafe bits[index] = value
      exponents = max(exponents, value & 0x7F80_0000)
    }
  case .f16:
    for index in 0..<count {
      let value = unsafe float32Bits(half: source.loadUnaligned(fromByteOffset: index &* 2, as: UInt16.self))
      unsafe bits[index] = value
      exponents = max(exponents, value & 0x7F80_0000)
    }
  case .f64:
    for index in 0..<count {
      let value = unsafe Float(source.loadUnaligned(fromByteOffset: index &* 8, as: Double.self)).bitPattern
      unsafe bits[index] = value
      exponents = max(exponents, value & 0x7F80_0000)
    }
  default:
    preconditionFailure("\(type) does not widen to Float32")
  }
  return exponents != 0x7F80_0000
}

/// Copies `bytes`, whole little-endian Float64, to `output`; false when one of them is not finite.
func copyDoubles(_ bytes: UnsafeRawBufferPointer, to output: UnsafeMutablePointer<Double>) -> Bool {
  guard let source = bytes.baseAddress else { return true }
  var isFinite = true
  for index in 0..<bytes.count / 8 {
    let value = unsafe source.loadUnaligned(fromByteOffset: index &* 8, as: Double.self)
    unsafe output[index] = value
    isFinite = isFinite && value.isFinite
  }
  return isFinite
}

/// Narrows `values` to little-endian elements of `type` at `output`, rounded to nearest even; the index of the first
/// value that is not finite or too large for the type, if any.
func narrow(_ values: ArraySlice<Float>, _ type: ElementType, to output: UnsafeMutableRawPointer) -> Int? {
  unsafe values.withUnsafeBufferPointer { values in
    let fits =
      switch type {
      case .f32: unsafe narrowFloat32(values, to: output)
      case .bf16: unsafe narrowBFloat16(values, to: output)
      case .f16: unsafe narrowHalf(values, to: output)
      default: preconditionFailure("\(type) is not written")
      }
    guard !fits else { return nil }
    return unsafe values.firstIndex {
      switch type {
      case .f16: halfBits(float32: $0.bitPattern) & 0x7C00 == 0x7C00
      case .bf16: !$0.isFinite || bfloat16Bits(float32: $0.bitPattern) & 0x7F80 == 0x7F80
      default: !$0.isFinite
      }
    }
  }
}

private func narrowFloat32(_ values: UnsafeBufferPointer<Float>, to output: UnsafeMutableRawPointer) -> Bool {
  var exponents: UInt32 = 0
  for index in 0..<values.count {
    let bits = unsafe values[index].bitPattern
    unsafe output.storeBytes(of: bits, toByteOffset: index &* 4, as: UInt32.self)
    exponents = max(exponents, bits & 0x7F80_0000)
  }
  return exponents != 0x7F80_0000
}

private func narrowBFloat16(_ values: UnsafeBufferPointer<Float>, to output: UnsafeMutableRawPointer) -> Bool {
  var exponents: UInt32 = 0
  for index in 0..<values.count {
    let bits = unsafe values[index].bitPattern
    let narrowed = bfloat16Bits(float32: bits)
    unsafe output.storeBytes(of: narrowed, toByteOffset: index &* 2, as: UInt16.self)
    exponents = max(exponents, (bits | UInt32(narrowed & 0x7F80) << 16) & 0x7F80_0000)
  }
  return exponents != 0x7F80_0000
}

private func narrowHalf(_ values: UnsafeBufferPointer<Float>, to output: UnsafeMutableRawPointer) -> Bool {
  var exponents: UInt16 = 0
  for index in 0..<values.count {
    let narrowed = unsafe halfBits(float32: values[index].bitPattern)
    unsafe output.storeBytes(of: narrowed, toByteOffset: index &* 2, as: UInt16.self)
    exponents = max(exponents, narrowed & 0x7C00)
  }
  return exponents != 0x7C00
}
