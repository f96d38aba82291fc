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
    let narrowed = newWidth == width && region.width == width ? nil : alongRows(columns, rows: span)
    let resized = Self.alongColumns(
      rows, pixels: narrowed ?? pixels, firstRow: narrowed == nil ? 0 : span.lowerBound, byteWidth: region.width * 3)
    return RGBImage(width: region.width, height: region.height, pixels: resized)
  }

  /// Resamples the given rows along x.
  private func alongRows(_ axis: FixedPointAxis, rows: Range<Int>) -> [UInt8] {
    let targetCount = axis.lows.count
    let half: Int32 = 1 << (FixedPointAxis.fractionBits - 1)
    let byteCount = rows.count * targetCount * 3
    return unsafe [UInt8](unsafeUninitializedCapacity: byteCount) { target, count in
      unsafe pixels.withUnsafeBufferPointer { source in
        unsafe axis.weights.withUnsafeBufferPointer { weights in
          var out = 0
          for y in rows {
            var k = 0
            for x in 0..<targetCount {
              var p = (y * width + axis.lows[x]) * 3
              var (red, green, blue) = (half, half, half)
              let end = axis.ends[x]
              while k < end {
                let weight = unsafe weights[k]
                red &+= unsafe weight &* Int32(source[p])
                green &+= unsafe weight &* Int32(source[p + 1])
                blue &+= unsafe weight &* Int32(source[p + 2])
                p += 3
                k += 1
              }
              unsafe target[out] = Self.clamped(red)
              unsafe target[out + 1] = Self.clamped(green)
              unsafe target[out + 2] = Self.clamped(blue)
              out += 3
            }
          }
        }
      }
      count = byteCount
    }
  }

  /// Resamples along y. `pixels` starts with source row `firstRow`.
  private static func alongColumns(
    _ axis: FixedPointAxis, pixels: [UInt8], firstRow: Int, byteWidth: Int
  ) -> [UInt8] {
    let half: Int32 = 1 << (FixedPointAxis.fractionBits - 1)
    let byteCount = axis.lows.count * byteWidth
    var sums = [Int32](repeating: 0, count: byteWidth)
    return unsafe [UInt8](unsafeUninitializedCapacity: byteCount) { target, count in
      unsafe pixels.withUnsafeBufferPointer { source in
        unsafe sums.withUnsafeMutableBufferPointer { sums in
          var k = 0
          for y in 0..<axis.lows.count {
            unsafe sums.update(repeating: half)
            var row = unsafe source.baseAddress! + (axis.lows[y] - firstRow) * byteWidth
            while k < axis.ends[y] {
              let weight = axis.weights[k]
              for i in 0..<byteWidth {
                unsafe sums[i] &+= weight &* Int32(row[i])
              }
              unsafe row += byteWidth
              k += 1
            }
            for i in 0..<byteWidth {
              unsafe target[y * byteWidth + i] = clamped(sums[i])
            }
          }
        }
      }
      count = byteCount
    }
  }

  private static func clamped(_ sum: Int32) -> UInt8 {
    UInt8(max(0, min(255, sum >> FixedPointAxis.fractionBits)))
  }
}
