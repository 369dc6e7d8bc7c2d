// The live camera, and photos in the size that the farm keeps.

const LONGEST_PX = 4096; // the farm keeps no more
const LARGEST_BYTES = 25_000_000;
const TYPES = ["image/jpeg", "image/png", "image/webp"];
const QUALITY = 0.92;

/** There is no live camera. Its message is the key of the sentence that says why. */
export class NoCamera extends Error {}

/** A file that cannot be a photo. Its message is the key of the sentence that says why. */
export class NoPhoto extends Error {}

/** Show the camera in a video element; not any more once `signal` has fired. Throws NoCamera. */
export async function open(video, signal) {
  if (!isSecureContext) throw new NoCamera("insecure"); // browsers then have no mediaDevices at all
  if (!navigator.mediaDevices) throw new NoCamera("no_camera");
  const wish = { facingMode: "user", width: { ideal: LONGEST_PX }, height: { ideal: LONGEST_PX } };
  try {
    video.srcObject = await navigator.mediaDevices.getUserMedia({ video: wish });
    if (signal.aborted) close(video); // the browser asked for the permission, and nobody was there
    else await video.play();
  } catch (error) {
    close(video);
    throw new NoCamera({ NotAllowedError: "denied", NotFoundError: "no_camera" }[error.name] ?? "camera_busy");
  }
}

export function close(video) {
  video.srcObject?.getTracks().forEach((track) => track.stop());
  video.srcObject = null;
}

/** What the camera sees, as a JPEG. */
export function snap(video) {
  const scale = Math.min(1, LONGEST_PX / Math.max(video.videoWidth, video.videoHeight));
  const canvas = document.createElement("canvas");
  canvas.width = Math.round(video.videoWidth * scale);
  canvas.height = Math.round(video.videoHeight * scale);
  canvas.getContext("2d").drawImage(video, 0, 0, canvas.width, canvas.height);
  return new Promise((resolve, reject) => {
    canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new NoPhoto("no_picture"))), "image/jpeg", QUALITY);
  });
}

/** A chosen file, if it may be sent: it is sent as it is. Throws NoPhoto. */
export async function accept(file) {
  if (!TYPES.includes(file.type)) throw new NoPhoto("no_picture");
  if (file.size > LARGEST_BYTES) throw new NoPhoto("too_large");
  const image = new Image();
  image.src = URL.createObjectURL(file);
  try {
    await image.decode();
  } catch {
    throw new NoPhoto("no_picture");
  } finally {
    URL.revokeObjectURL(image.src);
  }
  return file;
}
