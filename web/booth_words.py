"""The words of the kiosk. Its page shows them by their keys, in the language that the guest has chosen.

Placeholders are filled in by the browser.
"""

from __future__ import annotations

from flask_babel import lazy_gettext as _

WORDS = {
    # Pairing, once
    "pair": _("Pair this booth"),
    "pair_how": _("Scan the code on the page Booths with this device, or type the booth's key."),
    "pair_key": _("Booth key"),
    "pair_now": _("Pair"),
    "pair_wrong": _("This key is not valid, or no longer. Ask a technician for a new one; waiting photos are kept."),
    "pair_away": _("The farm does not answer. Check the network, and try again."),
    # Welcome
    "welcome": _("Become a picture"),
    "welcome_how": _("Take a photo, choose a style, and take your picture home on your phone."),
    "begin": _("Touch to begin"),
    "takes": _("A picture takes %(time)s now"),
    "offline": _("No network at the moment. You can take a photo all the same: it is kept here and sent later."),
    # Times
    "time_short": _("less than a minute"),
    "time_about": _("about %(high)s min"),
    "time_range": _("%(low)s–%(high)s min"),
    # Photo
    "pose": _("Look into the camera"),
    "take": _("Take the photo"),
    "with_file": _("Take your photo"),
    "with_file_how": _("Use this device's camera, or choose a picture."),
    "file": _("Choose a picture"),
    "file_camera": _("Open the camera"),
    "start_over": _("Start over"),
    "insecure": _("The live camera needs a secure address (https)."),
    "no_camera": _("No camera was found."),
    "denied": _("The browser may not use the camera."),
    "camera_busy": _("The camera does not start; another program may be using it."),
    "too_large": _("This picture is larger than 25 MB. Please choose a smaller one."),
    "no_picture": _("This file cannot be used. Please choose a JPEG, PNG or WebP picture."),
    # Review
    "review": _("Do you like it?"),
    "your_photo": _("Your photo"),
    "retake": _("Take it again"),
    "keep": _("Use this photo"),
    # Styles
    "choose": _("Choose a style"),
    "no_styles": _("The styles could not be loaded. They appear here as soon as the farm answers."),
    # Waiting
    "thanks": _("Thank you!"),
    "kept": _("Your photo is being sent"),
    "kept_offline": _("Your photo is safe. It is sent as soon as the network is back."),
    "kept_busy": _("Your photo is safe. There is a rush now; it goes on by itself."),
    "number": _("Your number: %(number)s"),
    "next_up": _("You are next"),
    "ahead": _("%(count)s before you"),
    "making": _("Your picture is being made"),
    "ready_in": _("Ready in %(time)s"),
    "lost": _("The network is away for a moment. Your picture is being made all the same."),
    "progress": _("Progress"),
    "phone": _("Continue on your phone"),
    "phone_how": _("Scan this code: your picture appears there."),
    "qr": _("QR code of your picture's page"),
    "code": _("Your code: %(code)s"),
    "next_guest": _("Next guest"),
    # Result
    "result": _("Your picture is ready"),
    "result_picture": _("Your finished picture"),
    "done": _("Done"),
    "back_in": _("Back to the start in %(seconds)s s"),
    # What did not work out
    "sorry": _("That did not work out"),
    "sorry_made": _("This picture did not work out. Please ask at the booth."),
    "sorry_taken": _("This photo could not be taken in. Please ask at the booth."),
    "sorry_photo": _("This photo cannot be used. Please take another one."),
    "sorry_defect": _("Something went wrong on this device. Please try again, or ask at the booth."),
    "canceled": _("This picture was canceled."),
    "other_style": _("Choose another style"),
    # The line below every screen
    "language": _("Language"),
    "waiting": _("Photos waiting to be sent: %(count)s"),
    "refused": _("Photos not taken in: %(count)s"),
    # Staff
    "staff": _("Staff"),
    "staff_title": _("For staff"),
    "staff_none": _("Nothing waits to be sent."),
    "staff_waiting": _("waits to be sent"),
    "remove": _("Remove"),
    "remove_sure": _("Remove this photo? It cannot be brought back."),
    "unpair": _("Unpair this booth"),
    "unpair_sure": _("Unpair this booth? It then needs its key again. Waiting photos are kept."),
    "close": _("Close"),
    "no": _("No, go back"),
}
