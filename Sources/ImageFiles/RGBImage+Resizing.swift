internal import CResampling
package import Processes

extension RGBImage {
  /// The picture at another size, bit for bit as Pillow (up to version 12) resizes 8-bit RGB: along x first, then along
  /// y, rounded to 8 bits in between; an axis whose size stays is left alone.
  public func resized(width newWidth: Int, height newHeight: Int, filter: ResizeFilter) -> RGBImage {
    resized(
      width: newWidth, height: newHeight, filter: filter,
      keeping: PixelRegion(x: 0, y: 0, width: newWidth, height: newHeight))
  }

  /// The part `region` of the picture resized to `newWidth` × `newHeight`, without making the rest.
  /// - Precondition: `region` lies inside the new size.
  public func resized(
    width newWidth: Int, height newHeight: Int, filter: ResizeFilter, keeping region: PixelRegion
  ) -> RGBImage {
    resized(width: newWidth, height: newHeight, filter: filter, keeping: region, sharing: nil)
  }

  /// The same bytes, made by rows on the threads of `budget` that are free.
  package func resized(
    width newWidth: Int, height newHeight: Int, filter: ResizeFilter, keeping region: PixelRegion? = nil,
    sharing budget: ThreadBudget?
  ) -> RGBImage {
    resized(
      width: newWidth, height: newHeight, filter: filter,
      keeping: region ?? PixelRegion(x: 0, y: 0, width: newWidth, height: newHeight), set: legrad_resampling_best(),
      sharing: budget)
  }

  /// - Parameter set: the instructions to do it with.
  func resized(
    width newWidth: Int, height newHeight: Int, filter: ResizeFilter, keeping region: PixelRegion,
    set: legrad_resampling_set, sharing budget: ThreadBudget? = nil
  ) -> RGBImage {
    precondition(newWidth > 0 && newHeight > 0, "an image has at least one pixel")
    precondition(region.fits(width: newWidth, height: newHeight), "the kept region lies inside the new size")
    if newWidth == width && newHeight == height {
      return region.width == width && region.height == height ? self : cropped(to: region)
    }
    let columns = FixedPointAxis(
      from: width, to: newWidth, kept: region.x..<(region.x + region.width), filter: filter)
    let rows = FixedPointAxis(
      from: height, to: newHeight, kept: region.y..<(region.y + region.height), filter: filter)
    let span = rows.span
    let narrowed = newWidth == width && region.width == width ? nil : alongRows(columns, rows: span, set: set, budget)
    let resized = Self.alongColumns(
      rows, pixels: narrowed ?? pixels, firstRow: narrowed == nil ? 0 : span.lowerBound, byteWidth: region.width * 3,
      set: set, budget)
    return RGBImage(width: region.width, height: region.height, pixels: resized)
  }

  /// Resamples the given rows along x. Each row is by itself, so that any part of them may be made on its own.
  private func alongRows(
    _ axis: FixedPointAxis, rows: Range<Int>, set: legrad_resampling_set, _ budget: ThreadBudget?
  ) -> [UInt8] {
    let blocks = BlockedWeights(axis)
    let stride = width * 3
    let outStride = axis.lows.count * 3
    let byteCount = rows.count * outStride
    return unsafe [UInt8](unsafeUninitializedCapacity: byteCount) { target, count in
      unsafe pixels.withUnsafeBufferPointer { source in
        unsafe blocks.withAxis { axis in
          guard let first = source.baseAddress, let out = target.baseAddress else { return }
          RowParts.each(of: rows.count, bytes: max(stride, outStride), budget) { part in
            let start = (rows.lowerBound + part.lowerBound) * stride
            unsafe legrad_resample_along_rows(
              set, axis, first + start, part.count, stride, source.count - start, out + part.lowerBound * outStride)
          }
        }
      }
      count = byteCount
    }
  }

  /// Resamples along y. `pixels` starts with source row `firstRow`.
  private static func alongColumns(
    _ axis: FixedPointAxis, pixels: [UInt8], firstRow: Int, byteWidth: Int, set: legrad_resampling_set,
    _ budget: ThreadBudget?
  ) -> [UInt8] {
    let byteCount = axis.lows.count * byteWidth
    return unsafe [UInt8](unsafeUninitializedCapacity: byteCount) { target, count in
      unsafe pixels.withUnsafeBufferPointer { source in
        unsafe axis.weights.withUnsafeBufferPointer { weights in
          guard let rows = source.baseAddress, let first = weights.baseAddress,
            let out = target.baseAddress
          else { return }
          let taps = axis.weights.count / max(1, axis.lows.count)
          RowParts.each(of: axis.lows.count, bytes: byteWidth * max(1, taps), budget) { part in
            for y in part {
              let start = y == 0 ? 0 : axis.ends[y - 1]
              unsafe legrad_resample_along_columns(
                set, first + start, axis.ends[y] - start, rows + (axis.lows[y] - firstRow) * byteWidth, byteWidth,
                out + y * byteWidth)
            }
          }
        }
      }
      count = byteCount
    }
  }
}

/// An axis as the inner loops take it.
private struct BlockedWeights {
  private let lows: [Int32]
  private var ends: [Int32] = []
  private var weights: [Int32] = []

  init(_ axis: FixedPointAxis) {
    lows = axis.lows.map { Int32($0) }
    ends.reserveCapacity(lows.count)
    let blockSize = Int(LEGRAD_RESAMPLING_BLOCK)
    var start = 0
    for end in axis.ends {
      for weight in axis.weights[start..<end] { weights += [weight, weight, weight] }
      let missing = (blockSize - (end - start) % blockSize) % blockSize
      weights += repeatElement(0, count: 3 * missing)
      ends.append(Int32(weights.count / (3 * blockSize)))
      start = end
    }
  }

  func withAxis(_ body: (UnsafePointer<legrad_resampling_axis>) -> Void) {
    unsafe lows.withUnsafeBufferPointer { lows in
      unsafe ends.withUnsafeBufferPointer { ends in
        unsafe weights.withUnsafeBufferPointer { weights in
          var axis = unsafe legrad_resampling_axis(
            count: lows.count, lows: lows.baseAddress, ends: ends.baseAddress, weights: weights.baseAddress)
          unsafe body(&axis)
        }
      }
    }
  }
}
