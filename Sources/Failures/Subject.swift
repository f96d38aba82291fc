/// What in a request a message is about. Each way into the library has a name of its own for it: here the property's in
/// Swift, in the command the option's.
public enum Subject: String, Sendable, CaseIterable {
  case device, devices, triesDevicesAgain, fold, kernelVariant, memoryLimit, precision, waitsAfterEveryOperation
  case layers, readout, size, mean, std, textEmbeddings
  case pixelLimit, hubCache, sandbox
  case prompt, explainedClass, explainedClasses, referenceImages, shard, resume, allowsMixedDevices
}
